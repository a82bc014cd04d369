import type { Job, JobEvent } from '@/api/types'
import { secondsBetween } from '@/format/time'

export const terminal: ReadonlySet<Job['status']> = new Set(['succeeded', 'failed', 'cancelled', 'timed_out'])

/** The job after one more event. Figures that only the API knows, such as the cost, stay until it is asked again. */
export function advance(job: Job, { seq, at, status, event }: JobEvent): Job {
  const next: Job = { ...job, seq, status, updated_at: at }
  switch (event.type) {
    case 'submitted':
      return { ...next, admitted: event.admitted }
    case 'admitted':
      return { ...next, admitted: true, admitted_at: at }
    case 'provisioning':
      return { ...next, attempt: event.attempt, placement: event.offer, price_per_hour: event.offer.price_per_hour }
    case 'running':
      return {
        ...next,
        started_at: job.started_at ?? at,
        seconds_to_start: job.seconds_to_start ?? secondsBetween(job.submitted_at, at),
      }
    case 'cancel_requested':
      return { ...next, cancel_requested_at: at }
    case 'attempt_ended':
      return { ...next, progress: null }
    case 'ended':
      return { ...next, ended_at: at, exit: event.exit, reason: event.reason }
    case 'launch_refused':
      // The number is free again: an offer that was never served is no try of the command
      return { ...next, attempt: event.attempt - 1, price_per_hour: null }
    case 'instance_created':
    case 'waiting_for_capacity':
    case 'edited':
      return next
  }
}
