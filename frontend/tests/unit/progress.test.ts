import { describe, expect, test } from 'vitest'
import { countsOf, type Input, mapsOf, nodesNow, nothing, reduce } from '@/runs/progress'
import { at, became, happened, node, run, started } from './runs'

const events = (...list: Parameters<typeof heard>) => heard(...list)
function heard(...list: (typeof started)[]): Input {
  return { type: 'events', events: list }
}
const loaded = () => reduce(nothing, [{ type: 'run', run: run() }, { type: 'nodes', nodes: [node('train', { step: 0 }), node('tell', { step: 1 })] }, events(started)])
const statusOf = (state: ReturnType<typeof loaded>, name: string) => nodesNow(state).find((one) => one.node === name)?.status

describe('events of a run', () => {
  test('move its nodes and the run', () => {
    const state = reduce(loaded(), [
      events(became(2, 'train', 'running', { job_id: 'job_1' }), became(3, 'train', 'succeeded'), became(4, 'tell', 'failed', { reason: 'the server answered 503' }), happened(5, { type: 'ended', reason: 'tell failed' }, 'failed')),
    ])
    expect([statusOf(state, 'train'), statusOf(state, 'tell')]).toEqual(['succeeded', 'failed'])
    expect(state.run).toMatchObject({ status: 'failed', reason: 'tell failed', ended_at: at(5), seq: 5 })
    expect(nodesNow(state)[0]).toMatchObject({ job_id: 'job_1', started_at: at(2), ended_at: at(3) })
    expect(nodesNow(state)[1]?.reason).toBe('the server answered 503')
    expect(state.behind).toBe(false)
  })

  test('count once however often they come, and in their order whatever the order in which they come', () => {
    const list = [became(2, 'train', 'running'), became(3, 'train', 'succeeded'), became(4, 'tell', 'running')]
    const straight = reduce(loaded(), [events(...list)])
    const turned = reduce(reduce(reduce(loaded(), [events(list[2]!)]), [events(list[1]!, list[2]!)]), [events(...list, ...list)])
    expect(turned.events).toEqual(straight.events)
    expect(nodesNow(turned)).toEqual(nodesNow(straight))
  })

  test('behind a hole wait, and say that it has to be filled', () => {
    const state = reduce(loaded(), [events(became(3, 'train', 'succeeded'))])
    expect(statusOf(state, 'train')).toBe('waiting')
    expect(state.behind).toBe(true)
    const filled = reduce(state, [events(became(2, 'train', 'running'))])
    expect(statusOf(filled, 'train')).toBe('succeeded')
    expect(filled.behind).toBe(false)
  })

  test('that were lost show in what the server says of its position, until they are there', () => {
    const state = reduce(loaded(), [{ type: 'position', seq: 3 }])
    expect(state.behind).toBe(true)
    const half = reduce(state, [events(became(2, 'train', 'running'))])
    expect(half.behind).toBe(true)
    expect(reduce(half, [events(became(3, 'train', 'succeeded'))]).behind).toBe(false)
  })

  test('that are older than the nodes take nothing back that has ended', () => {
    const fetched = reduce(nothing, [{ type: 'run', run: run({ seq: 3 }) }, { type: 'nodes', nodes: [node('train', { status: 'succeeded', ended_at: at(3) })] }])
    expect(statusOf(reduce(fetched, [events(started, became(2, 'train', 'running'))]), 'train')).toBe('succeeded')
  })

  test('a new try after a failure is running again', () => {
    const state = reduce(loaded(), [events(became(2, 'train', 'running'), became(3, 'train', 'ready', { attempt: 1 }), became(4, 'train', 'running', { attempt: 2, job_id: 'job_2' }))])
    expect(nodesNow(state)[0]).toMatchObject({ status: 'running', attempt: 2, job_id: 'job_2', started_at: at(2), ended_at: null })
  })
})

test('the progress of a map is that of its items', () => {
  const map = reduce(nothing, [
    { type: 'nodes', nodes: [node('sweep', { kind: 'map' })] },
    events(
      started,
      became(2, 'sweep', 'running', { items: 3 }),
      became(3, 'sweep', 'running', { item: 0 }),
      became(4, 'sweep', 'running', { item: 1 }),
      became(5, 'sweep', 'succeeded', { item: 0 }),
      became(6, 'sweep', 'failed', { item: 1 }),
    ),
  ])
  expect(mapsOf(map).get('sweep')).toEqual({ total: 3, counts: { ...countsOf([]), succeeded: 1, failed: 1 } })
  // The map itself goes on
  expect(nodesNow(map)[0]).toMatchObject({ status: 'running', items: 3 })
})

test('a stop that was asked for is shown before the run has ended', () => {
  const state = reduce(loaded(), [events(happened(2, { type: 'stop_requested', stop: 'cancelled' }))])
  expect(state.run).toMatchObject({ status: 'running', stop: { stop: 'cancelled', at: at(2) } })
})

test('an earlier answer of the API does not take the place of a later one', () => {
  const state = reduce(loaded(), [{ type: 'run', run: run({ seq: 4, status: 'failed' }) }, { type: 'run', run: run({ seq: 2 }) }])
  expect(state.run?.status).toBe('failed')
})
