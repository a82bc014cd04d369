import { describe, expect, test } from 'vitest'
import type { JobEvent } from '@/api/types'
import { empty, type Input, type LiveState, reduce } from '@/live/reducer'
import { cleanRun, event, job } from './build'

const pushed = (one: JobEvent): Input => ({
  type: 'message',
  message: { type: one.event.type === 'ended' ? 'completion' : 'status', ...one },
})
const history = (events: JobEvent[], after = 0, more = false): Input => ({ type: 'history', jobId: 'job_1', after, events, more })
const loaded = (): LiveState => reduce(empty, [{ type: 'job', job: job() }, history(cleanRun().slice(0, 1))])
const seqs = (state: LiveState) => state.jobs.get('job_1')?.events.map(({ seq }) => seq)

/** Every order of some things. */
function orders<T>(items: T[]): T[][] {
  if (items.length < 2) return [items]
  return items.flatMap((item, at) => orders(items.filter((_, other) => other !== at)).map((rest) => [item, ...rest]))
}

describe('events', () => {
  test('in any order and doubled they give the same history and the same job', () => {
    const later = cleanRun().slice(1)
    const right = reduce(loaded(), later.map(pushed)).jobs.get('job_1')
    expect(right?.job?.status).toBe('succeeded')
    const all = orders(later)
    expect(all).toHaveLength(24)
    for (const order of all) {
      const state = reduce(loaded(), [...order, ...order].map(pushed))
      expect(state.jobs.get('job_1')).toEqual(right)
      expect(state.behind.size).toBe(0)
    }
  })

  test('one at a time gives what all together give', () => {
    const inputs = cleanRun().slice(1).map(pushed)
    const single = inputs.reduce((state, input) => reduce(state, [input]), loaded())
    expect(single.jobs).toEqual(reduce(loaded(), inputs).jobs)
  })

  test('behind a hole they wait, and the hole is reported', () => {
    const [, second, third, fourth] = cleanRun() as [JobEvent, JobEvent, JobEvent, JobEvent]
    const state = reduce(loaded(), [pushed(third), pushed(fourth)])
    expect(seqs(state)).toEqual([1])
    expect(state.jobs.get('job_1')?.job?.status).toBe('queued')
    expect([...state.behind]).toEqual(['job_1'])

    const filled = reduce(state, [history([second], 1)])
    expect(seqs(filled)).toEqual([1, 2, 3, 4])
    expect(filled.jobs.get('job_1')?.job?.status).toBe('running')
    expect(filled.behind.size).toBe(0)
  })

  test('the state that was given stays as it was', () => {
    const before = loaded()
    const copy = structuredClone({ jobs: before.jobs, behind: before.behind, unknown: before.unknown })
    reduce(before, cleanRun().map(pushed))
    expect({ jobs: before.jobs, behind: before.behind, unknown: before.unknown }).toEqual(copy)
  })

  test('of a job that was never seen make it known, once', () => {
    const state = reduce(empty, [pushed(event(1, { type: 'submitted', admitted: true }))])
    expect([...state.unknown]).toEqual(['job_1'])
    expect(reduce(state, [{ type: 'job', job: job() }]).unknown.size).toBe(0)
  })
})

describe('lost messages', () => {
  const message = (value: Extract<Input, { type: 'message' }>['message']): Input => ({ type: 'message', message: value })

  test('show in a pong, even the last one', () => {
    const state = reduce(loaded(), [message({ type: 'pong', id: null, at: '', jobs: [{ job_id: 'job_1', seq: 2, status: 'provisioning' }], runs: [] })])
    expect([...state.behind]).toEqual(['job_1'])
  })

  test('a pong that says nothing new changes nothing', () => {
    const state = reduce(loaded(), [message({ type: 'pong', id: null, at: '', jobs: [{ job_id: 'job_1', seq: 1, status: 'queued' }], runs: [] })])
    expect(state.behind.size).toBe(0)
  })

  test('a gap is fetched', () => {
    const state = reduce(loaded(), [message({ type: 'gap', job_id: 'job_1', run_id: null, from: 2, to: 900, message: '' })])
    expect([...state.behind]).toEqual(['job_1'])
  })
})

describe('a job from the API', () => {
  test('older than what was pushed changes nothing', () => {
    const state = reduce(loaded(), [...cleanRun().slice(1, 4).map(pushed), { type: 'job', job: job({ seq: 2, status: 'provisioning' }) }])
    expect(state.jobs.get('job_1')?.job?.status).toBe('running')
  })

  test('newer than its history asks for the events between', () => {
    const state = reduce(loaded(), [{ type: 'job', job: job({ seq: 4, status: 'running' }) }])
    expect(state.jobs.get('job_1')?.job?.status).toBe('running')
    expect([...state.behind]).toEqual(['job_1'])
    const whole = reduce(state, [history(cleanRun().slice(1, 4), 1)])
    expect(seqs(whole)).toEqual([1, 2, 3, 4])
    expect(whole.behind.size).toBe(0)
  })

  test('the whole history takes the place of its end', () => {
    const listed = reduce(empty, [{ type: 'job', job: job({ seq: 3, status: 'provisioning' }) }])
    const state = reduce(listed, [pushed(cleanRun()[3]!), history(cleanRun().slice(0, 3))])
    expect(seqs(state)).toEqual([1, 2, 3, 4])
    expect(state.jobs.get('job_1')?.job?.status).toBe('running')
    expect(state.jobs.get('job_1')?.from).toBe(0)
  })
})

test('progress of an earlier attempt is not shown', () => {
  const running = reduce(loaded(), [{ type: 'job', job: job({ seq: 1, attempt: 2 }) }])
  const progress = (attempt: number): Input => ({
    type: 'message',
    message: { type: 'progress', job_id: 'job_1', attempt, at: '', fraction: 0.5, text: 'half' },
  })
  expect(reduce(running, [progress(1)]).jobs.get('job_1')?.job?.progress).toBeNull()
  expect(reduce(running, [progress(2)]).jobs.get('job_1')?.job?.progress).toEqual({ fraction: 0.5, text: 'half' })
})

describe('budget alerts', () => {
  const alert = (level: 'warning' | 'exceeded', at: string, scope: 'own' | 'platform' = 'own'): Input => ({
    type: 'message',
    message: { type: 'budget', scope, month: '2026-01', level, at, used: { amount: '9.000000', currency: 'USD' }, budget: { amount: '10.000000', currency: 'USD' } },
  })

  test('of a month and a level are kept once, in the order in which they came', () => {
    const state = reduce(empty, [alert('warning', '1'), alert('warning', '2'), alert('exceeded', '3'), alert('warning', '4')])
    expect(state.alerts.map(({ level, at }) => `${level} ${at}`)).toEqual(['warning 1', 'exceeded 3'])
  })

  test('of the platform stand beside one\'s own', () => {
    const state = reduce(empty, [alert('warning', '1'), alert('warning', '2', 'platform'), alert('warning', '3', 'platform')])
    expect(state.alerts.map(({ scope, at }) => `${scope} ${at}`)).toEqual(['own 1', 'platform 2'])
  })

  test('that were heard before leave the state as it was', () => {
    const state = reduce(empty, [alert('warning', '1')])
    expect(reduce(state, [alert('warning', '2')]).alerts).toBe(state.alerts)
  })
})
