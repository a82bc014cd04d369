import type { Happening, JobEvent } from '@/api/types'

/** Why a job is not running yet: its owner's limit, no capacity, an offer that was refused, the launch call, boot and image. */
export type Cause = 'quota' | 'capacity' | 'refused' | 'launch' | 'boot'

export interface Part {
  cause: Cause
  seconds: number
}

/** The time from submission to the first run, split by cause. `until` is now, or when the job ended without a run. */
export function splitStart(events: readonly JobEvent[], until: number): Part[] {
  const seconds = new Map<Cause, number>()
  let cause: Cause | null = null
  let since = 0
  const close = (at: number, as: Cause | null) => {
    if (as) seconds.set(as, (seconds.get(as) ?? 0) + Math.max(0, at - since) / 1000)
    since = at
  }
  for (const { at, event } of events) {
    const moment = new Date(at).getTime()
    if (event.type === 'running' || event.type === 'ended') {
      close(moment, cause)
      cause = null
      break
    }
    const next = causeAfter(event)
    if (!next) continue
    close(moment, event.type === 'launch_refused' ? 'refused' : cause)
    cause = next
  }
  if (cause) close(until, cause)
  return [...seconds].map(([name, length]) => ({ cause: name, seconds: length })).filter((part) => part.seconds > 0)
}

function causeAfter(event: Happening): Cause | null {
  switch (event.type) {
    case 'submitted':
      return event.admitted ? 'capacity' : 'quota'
    case 'admitted':
    case 'launch_refused':
    case 'waiting_for_capacity':
    case 'attempt_ended':
      return 'capacity'
    case 'provisioning':
      return 'launch'
    case 'instance_created':
      return 'boot'
    default:
      return null
  }
}
