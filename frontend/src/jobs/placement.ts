import type { JobEvent, Outcome, Placement } from '@/api/types'

/** One offer that was tried for a job, and what became of it. */
export interface Try {
  at: string
  attempt: number
  offer: Placement
  /** `taken` has an instance that is still wanted; the others say why the job went on to another offer, or ended. */
  became: 'refused' | 'taken' | 'failed_over' | 'ended'
  /** In the provider's words, for a refusal. */
  reason: string | null
  /** How an attempt with an instance ended. */
  outcome: Outcome | null
}

/** The offers that were tried, in order: why the job is, or was, where it is. */
export function triesOf(events: readonly JobEvent[]): Try[] {
  const tries: Try[] = []
  for (const { at, event } of events) {
    if (event.type === 'launch_refused') {
      tries.push({ at, attempt: event.attempt, offer: event.offer, became: 'refused', reason: event.reason, outcome: null })
      // The offer was written down as the attempt's before its provider refused it
      const before = tries.findIndex((one) => one.became === 'taken' && one.attempt === event.attempt)
      if (before >= 0) tries.splice(before, 1)
    } else if (event.type === 'provisioning') {
      tries.push({ at, attempt: event.attempt, offer: event.offer, became: 'taken', reason: null, outcome: null })
    } else if (event.type === 'attempt_ended') {
      const index = tries.findLastIndex((one) => one.became === 'taken' && one.attempt === event.attempt)
      const found = tries[index]
      if (found) tries[index] = { ...found, became: event.retry_in_seconds === null ? 'ended' : 'failed_over', outcome: event.outcome }
    }
  }
  return tries
}

/** How often the job had to go on to another offer. */
export const failovers = (tries: readonly Try[]): number => tries.filter(({ became }) => became === 'refused' || became === 'failed_over').length
