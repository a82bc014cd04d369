import { describe, expect, test } from 'vitest'
import { formatIn, zones } from '@/format/zone'
import { fromQuery, toQuery } from '@/runs/filters'
import { inOrder } from '@/runs/actions'
import { ganttOf } from '@/runs/gantt'
import { originRun, originText } from '@/runs/origin'
import { at, node, run } from './runs'

describe('the timeline of a run', () => {
  const nodes = [
    node('prepare', { status: 'succeeded', started_at: at(0), ended_at: at(25) }),
    node('check.speed', { status: 'running', started_at: at(50) }),
    node('publish'),
    node('old', { status: 'succeeded', started_at: at(1), ended_at: at(2), kept_from: 'run_0' }),
  ]

  test('shows each node from its start to its end, those that go on up to now', () => {
    const { bars, seconds, ticks } = ganttOf(run(), nodes, Date.parse(at(100)))
    expect(bars.map(({ label, depth, from, to }) => [label, depth, from, to])).toEqual([
      ['prepare', 0, 0, 0.25],
      ['speed', 1, 0.5, 1],
      ['publish', 0, null, null],
      ['old', 0, null, null],
    ])
    expect(seconds).toBe(100)
    expect(ticks).toEqual([0, 30, 60, 90])
  })

  test('of a run that has ended stands still', () => {
    const over = run({ status: 'succeeded', ended_at: at(50) })
    expect(ganttOf(over, [nodes[0]!], Date.parse(at(900))).bars[0]).toMatchObject({ from: 0, to: 0.5 })
  })
})

describe('the filters of runs in the address', () => {
  test('come back as they were, and leave the rest of the address alone', () => {
    const filters = { status: ['failed' as const, 'timed_out' as const], workflow: 'wfl_1' }
    const query = toQuery(filters, { tab: 'runs', status: 'running' })
    expect(query).toEqual({ tab: 'runs', status: 'failed,timed_out', workflow: 'wfl_1' })
    expect(fromQuery(query as Record<string, string>)).toEqual(filters)
  })

  test('what is no status is left out', () => expect(fromQuery({ status: 'running,queued' }).status).toEqual(['running']))
})

test('times of a schedule are those of its zone, summer time included', () => {
  expect(formatIn('2026-11-24T19:00:00Z', 'Asia/Shanghai')).toBe('2026-11-25 03:00 GMT+8')
  expect(formatIn('2026-07-01T01:00:00Z', 'Europe/Berlin')).toBe('2026-07-01 03:00 GMT+2')
  expect(formatIn('2026-07-01T01:00:00Z', 'Nowhere/Here')).toBe('2026-07-01T01:00:00Z')
  expect(zones()[0]).toBe('UTC')
})

test('why a run was started', () => {
  const say = (key: string, values: Record<string, unknown> = {}) => `${key} ${Object.values(values).join()}`.trim()
  const time = (text: string) => text.slice(0, 10)
  expect(originText({ type: 'retry', of: 'run_0', node: 'train' }, say, time)).toBe('origin.retry train')
  expect(originText({ type: 'schedule', schedule_id: 'sch_1', slot: at(0) }, say, time)).toBe('origin.schedule 2026-01-02')
  expect(originRun({ type: 'resume', of: 'run_0' })).toBe('run_0')
  expect(originRun({ type: 'manual' })).toBeNull()
})

test('nodes stand behind those that they wait for, and those that the graph does not know at the end', () => {
  const graph = { nodes: ['b', 'a'].map((id) => ({ id, kind: 'job' as const, position: null })), edges: [], more_edges: 0 }
  const nodes = [node('a', { step: 0 }), node('b', { step: 1 }), node('z', { step: 3 }), node('y', { step: 2 })]
  expect(inOrder(nodes, graph).map((one) => one.node)).toEqual(['b', 'a', 'y', 'z'])
  expect(inOrder(nodes, null).map((one) => one.node)).toEqual(['a', 'b', 'y', 'z'])
})
