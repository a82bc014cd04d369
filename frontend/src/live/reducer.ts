// What happened to jobs, from three sources that overlap: pushed messages, the HTTP history and the jobs themselves.
// Pure: the same inputs in the same order give the same state, and no input is applied twice.
import type { Job, JobEvent } from '@/api/types'
import { advance } from './advance'
import type { components } from './messages'

export type Message = components['schemas']['Message']
export type Progress = components['schemas']['ProgressFigures']
export type BudgetAlert = components['schemas']['BudgetAlert']

export interface Tracked {
  /** Null while only its events are known. */
  job: Job | null
  /** Number of the last event that was applied. */
  seq: number
  /** The history from `from` + 1 on, without gaps. */
  events: readonly JobEvent[]
  from: number
  /** Events behind a hole, by number. */
  held: Readonly<Record<number, JobEvent>>
}

export interface LiveState {
  jobs: ReadonlyMap<string, Tracked>
  /** Jobs whose events after `seq` must be fetched: there is a hole, or the server said so. */
  behind: ReadonlySet<string>
  /** Jobs that were heard of for the first time. */
  unknown: ReadonlySet<string>
  /** What was said of monthly budgets, each level of a month once. */
  alerts: readonly BudgetAlert[]
}

export type Input =
  | { type: 'message'; message: Message }
  | { type: 'job'; job: Job }
  | { type: 'history'; jobId: string; after: number; events: readonly JobEvent[]; more: boolean }
  | { type: 'forget'; jobId: string }
  | { type: 'seen'; jobIds: readonly string[] }

export const empty: LiveState = { jobs: new Map(), behind: new Set(), unknown: new Set(), alerts: [] }

interface Draft {
  jobs: Map<string, Tracked>
  behind: Set<string>
  unknown: Set<string>
  alerts: readonly BudgetAlert[]
}

/** Applies inputs in their order. The state is copied once for all of them, so 500 events a second cost little. */
export function reduce(state: LiveState, inputs: readonly Input[]): LiveState {
  if (inputs.length === 0) return state
  const draft: Draft = {
    jobs: new Map(state.jobs),
    behind: new Set(state.behind),
    unknown: new Set(state.unknown),
    alerts: state.alerts,
  }
  for (const input of inputs) apply(draft, input)
  return draft
}

function apply(draft: Draft, input: Input): void {
  switch (input.type) {
    case 'message':
      return hear(draft, input.message)
    case 'job':
      return look(draft, input.job)
    case 'history':
      return read(draft, input)
    case 'forget':
      draft.jobs.delete(input.jobId)
      draft.behind.delete(input.jobId)
      draft.unknown.delete(input.jobId)
      return
    case 'seen':
      for (const jobId of input.jobIds) draft.unknown.delete(jobId)
  }
}

function hear(draft: Draft, message: Message): void {
  switch (message.type) {
    case 'status':
    case 'completion':
      return happen(draft, message)
    case 'error':
      // An answer to a request is an error too, but of no event
      if ('seq' in message) happen(draft, message)
      return
    case 'progress':
      return progress(draft, message)
    case 'budget':
      return alert(draft, message)
    case 'gap':
      if (message.job_id !== null && draft.jobs.has(message.job_id)) draft.behind.add(message.job_id)
      return
    case 'pong':
      for (const { job_id, seq } of message.jobs) notice(draft, job_id, seq)
      return
    case 'subscribed':
      if (message.job_id !== null && message.seq !== null) notice(draft, message.job_id, message.seq)
  }
}

function alert(draft: Draft, { scope, month, level, at, used, budget }: BudgetAlert): void {
  if (draft.alerts.some((known) => known.scope === scope && known.month === month && known.level === level)) return
  draft.alerts = [...draft.alerts, { scope, month, level, at, used, budget }]
}

/** The server is at `seq`: what we have not heard up to there was lost. */
function notice(draft: Draft, jobId: string, seq: number): void {
  const tracked = draft.jobs.get(jobId)
  if (tracked && seq > tracked.seq) draft.behind.add(jobId)
}

function happen(draft: Draft, message: JobEvent): void {
  const event: JobEvent = {
    job_id: message.job_id,
    seq: message.seq,
    at: message.at,
    status: message.status,
    event: message.event,
  }
  const tracked = draft.jobs.get(event.job_id)
  if (!tracked) {
    draft.unknown.add(event.job_id)
    return
  }
  if (event.seq <= tracked.seq) return
  settle(draft, event.job_id, { ...tracked, held: { ...tracked.held, [event.seq]: event } })
}

/** Applies held events that follow without a hole. */
function settle(draft: Draft, jobId: string, tracked: Tracked): void {
  const held = { ...tracked.held }
  const events = [...tracked.events]
  let { job, seq } = tracked
  for (const number of Object.keys(held).map(Number)) if (number <= seq) delete held[number]
  for (let next = held[seq + 1]; next; next = held[seq + 1]) {
    delete held[next.seq]
    seq = next.seq
    events.push(next)
    if (job && job.seq < seq) job = advance(job, next)
  }
  draft.jobs.set(jobId, { ...tracked, job, seq, events, held })
  if (Object.keys(held).length > 0) draft.behind.add(jobId)
  else draft.behind.delete(jobId)
}

function progress(draft: Draft, message: Extract<Message, { type: 'progress' }>): void {
  const tracked = draft.jobs.get(message.job_id)
  if (!tracked?.job || message.attempt < tracked.job.attempt) return
  const { fraction, text } = message
  draft.jobs.set(message.job_id, { ...tracked, job: { ...tracked.job, progress: { fraction, text } } })
}

/** A job as the API shows it. It is newer than what we have if it has more events, or as many and a later change. */
function look(draft: Draft, job: Job): void {
  draft.unknown.delete(job.id)
  const tracked = draft.jobs.get(job.id)
  if (!tracked) {
    draft.jobs.set(job.id, { job, seq: job.seq, events: [], from: job.seq, held: {} })
    return
  }
  if (job.seq < tracked.seq) return
  if (tracked.events.length > 0 || tracked.from === 0) {
    // Its history is shown: the job may be ahead of it, and the events between are fetched
    draft.jobs.set(job.id, { ...tracked, job })
    if (job.seq > tracked.seq) draft.behind.add(job.id)
    return
  }
  settle(draft, job.id, { ...tracked, job, seq: job.seq, from: job.seq })
}

function read(draft: Draft, page: Extract<Input, { type: 'history' }>): void {
  const known = draft.jobs.get(page.jobId)
  const tracked: Tracked = known ?? { job: null, seq: 0, events: [], from: 0, held: {} }
  const held: Record<number, JobEvent> = { ...tracked.held }
  let base: Tracked = tracked
  if (page.after === 0 && tracked.from > 0) {
    // The whole history takes the place of its end
    for (const event of tracked.events) held[event.seq] = event
    base = { ...tracked, seq: 0, from: 0, events: [] }
  }
  for (const event of page.events) if (event.seq > base.seq) held[event.seq] = event
  settle(draft, page.jobId, { ...base, held })
  if (page.more || (base.job !== null && base.job.seq > (draft.jobs.get(page.jobId)?.seq ?? 0))) {
    draft.behind.add(page.jobId)
  }
}
