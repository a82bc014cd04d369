import { describe, expect, test } from 'vitest'
import type { Graph } from '@/api/types'
import { authored, downstream, fold, HEIGHT, MANY, place, placeWithin, upstream, WIDTH } from '@/graph/layout'
import { statusOf } from '@/graph/shown'

function graph(edges: [string, string, string?][], alone: string[] = []): Graph {
  const names = [...new Set([...edges.flatMap(([from, to]) => [from, to]), ...alone])]
  return { nodes: names.map((id) => ({ id, kind: 'job', position: null })), edges: edges.map(([from, to, condition]) => ({ from, to, condition: condition ?? null })), more_edges: 0 }
}
const fan = (count: number) => graph(Array.from({ length: count }, (_, index) => [['first', `work_${index}`], [`work_${index}`, 'last']] as [string, string][]).flat())

describe('many nodes alike', () => {
  test('are one box with all of them in it', () => {
    const { boxes, lines } = fold(fan(40))
    expect(boxes.map(({ id, members }) => [id, members.length])).toEqual([
      ['first', 1],
      ['fold:work_0', 40],
      ['last', 1],
    ])
    expect(lines.map(({ from, to }) => `${from} ${to}`)).toEqual(['first fold:work_0', 'fold:work_0 last'])
  })

  test('are each for themselves once they were unfolded', () => expect(fold(fan(40), new Set(['fold:work_0'])).boxes).toHaveLength(42))

  test('are not folded while there are few of them', () => expect(fold(fan(MANY - 1)).boxes).toHaveLength(MANY + 1))

  test('are not alike if their conditions differ, or if nothing joins them', () => {
    const conditions = graph(Array.from({ length: 20 }, (_, index) => ['first', `work_${index}`, index % 2 === 0 ? 'a' : `b${index}`]))
    expect(fold(conditions).boxes).toHaveLength(12)
    expect(fold(graph([], Array.from({ length: 20 }, (_, index) => `n${index}`))).boxes).toHaveLength(20)
  })
})

describe('places', () => {
  test('put each node behind those that it waits for, and none onto another', () => {
    const drawing = fold(graph([['a', 'b'], ['a', 'c'], ['b', 'd'], ['c', 'd']]))
    for (const direction of ['LR', 'TB'] as const) {
      const places = place(drawing, direction)
      const [axis, size] = direction === 'LR' ? (['x', WIDTH] as const) : (['y', HEIGHT] as const)
      for (const { from, to } of drawing.lines) expect(places.get(to)![axis]).toBeGreaterThanOrEqual(places.get(from)![axis] + size)
      const [b, c] = [places.get('b')!, places.get('c')!]
      expect(Math.abs(b.x - c.x) >= WIDTH || Math.abs(b.y - c.y) >= HEIGHT).toBe(true)
    }
  })

  test('of hundreds of nodes are found too: each behind those that it waits for, none onto another', () => {
    const edges = Array.from({ length: 480 }, (_, index) => [0, 3].map((other) => [`n${Math.floor(index / 20) * 20 + ((index * 7 + other) % 20)}`, `n${index + 20}`] as [string, string])).flat()
    const drawing = fold(graph(edges))
    expect(drawing.boxes.length).toBe(500)
    for (const direction of ['LR', 'TB'] as const) {
      const places = place(drawing, direction)
      const [axis, size] = direction === 'LR' ? (['x', WIDTH] as const) : (['y', HEIGHT] as const)
      for (const { from, to } of drawing.lines) expect(places.get(to)![axis]).toBeGreaterThanOrEqual(places.get(from)![axis] + size)
      expect(new Set([...places.values()].map(({ x, y }) => `${x} ${y}`)).size).toBe(500)
    }
  })

  test('follow the canvas: a chain goes across a wide one and down a high one', () => {
    const chain = fold(graph([['a', 'b'], ['b', 'c'], ['c', 'd'], ['d', 'e']]))
    expect(placeWithin(chain, 1400, 300).direction).toBe('LR')
    expect(placeWithin(chain, 340, 600).direction).toBe('TB')
  })

  test('are the author’s only if every node has one', () => {
    const given = graph([['a', 'b']])
    expect(authored(given)).toBeNull()
    const all = { ...given, nodes: given.nodes.map((node, index) => ({ ...node, position: { x: index * 240, y: 0 } })) }
    expect(authored(all)?.get('b')).toEqual({ x: 240, y: 0 })
  })
})

test('what is before and behind a node', () => {
  const found = graph([['a', 'b'], ['b', 'c'], ['x', 'c']])
  expect([...upstream(found, 'c')].sort()).toEqual(['a', 'b', 'x'])
  expect([...downstream(found, 'a')].sort()).toEqual(['b', 'c'])
})

test('many nodes together are what has to be looked at first', () => {
  expect(statusOf(['succeeded', 'failed', 'running'])).toBe('failed')
  expect(statusOf(['succeeded', 'running', 'waiting'])).toBe('running')
  expect(statusOf(['succeeded', 'succeeded'])).toBe('succeeded')
  expect(statusOf([])).toBeNull()
})
