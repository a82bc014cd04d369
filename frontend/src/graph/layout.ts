// What a graph shows and where: many nodes alike become one box with a count, and dagre finds the places.
import { Graph as Dagre, layout } from '@dagrejs/dagre'
import type { Graph, NodeKind } from '@/api/types'
import { layered } from './layers'

export type Direction = 'LR' | 'TB'

export interface Box {
  /** A node's name; of several, `fold:` and the first one's. */
  id: string
  kind: NodeKind
  /** The nodes in it; one, unless it stands for many. */
  members: readonly string[]
}

export interface Line {
  id: string
  from: string
  to: string
  condition: string | null
}

export interface Drawing {
  boxes: readonly Box[]
  lines: readonly Line[]
}

export interface Place {
  x: number
  y: number
}

export const WIDTH = 196
export const HEIGHT = 62
const NODE_GAP = 18
const LAYER_GAP: Record<Direction, number> = { LR: 56, TB: 44 }
/** Of more boxes than these the places are found the quick way, and in one direction alone. */
export const FEW = 150
/** A condition beside its edge. */
const LABEL = 170

/** From so many on, nodes that wait for the same and are waited for by the same are one box. */
export const MANY = 8

/** The graph with nodes alike in one box, but for those in `open`. */
export function fold({ nodes, edges }: Graph, open: ReadonlySet<string> = new Set()): Drawing {
  const before = new Map<string, string[]>()
  const after = new Map<string, string[]>()
  for (const { from, to, condition } of edges) {
    before.set(to, [...(before.get(to) ?? []), condition === null ? from : `${from}?${condition}`])
    after.set(from, [...(after.get(from) ?? []), condition === null ? to : `${to}?${condition}`])
  }
  const alike = new Map<string, string[]>()
  for (const { id, kind } of nodes) {
    const [from, to] = [before.get(id) ?? [], after.get(id) ?? []]
    // Without any edge a node has nothing in common with another one
    const key = from.length + to.length === 0 ? `alone ${id}` : JSON.stringify([kind, [...from].sort(), [...to].sort()])
    alike.set(key, [...(alike.get(key) ?? []), id])
  }
  const boxOf = new Map<string, string>()
  const folded = new Map<string, string[]>()
  for (const members of alike.values()) {
    const id = `fold:${members[0]}`
    if (members.length < MANY || open.has(id)) continue
    folded.set(id, members)
    for (const member of members) boxOf.set(member, id)
  }
  const boxes: Box[] = []
  const seen = new Set<string>()
  for (const { id, kind } of nodes) {
    const box = boxOf.get(id) ?? id
    if (seen.has(box)) continue
    seen.add(box)
    boxes.push({ id: box, kind, members: folded.get(box) ?? [id] })
  }
  const lines = new Map<string, Line>()
  for (const edge of edges) {
    const [from, to] = [boxOf.get(edge.from) ?? edge.from, boxOf.get(edge.to) ?? edge.to]
    const id = `${from} ${to}`
    if (!lines.has(id)) lines.set(id, { id, from, to, condition: edge.condition })
  }
  return { boxes, lines: [...lines.values()] }
}

/** The places that the author gave, if that was one for every node. */
export function authored({ nodes }: Graph): ReadonlyMap<string, Place> | null {
  const places = new Map<string, Place>()
  for (const { id, position } of nodes) if (position) places.set(id, position)
  return nodes.length > 0 && places.size === nodes.length ? places : null
}

/** A place for each box, by its upper left corner. */
export function place({ boxes, lines }: Drawing, direction: Direction): ReadonlyMap<string, Place> {
  if (boxes.length > FEW) return layered({ boxes, lines }, direction, { width: WIDTH, height: HEIGHT, gap: NODE_GAP, layerGap: LAYER_GAP[direction] })
  const graph = new Dagre()
  graph.setGraph({ rankdir: direction, nodesep: NODE_GAP, ranksep: LAYER_GAP[direction], marginx: 8, marginy: 8 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const { id } of boxes) graph.setNode(id, { width: WIDTH, height: HEIGHT })
  // What a condition says takes its place between two boxes
  for (const { from, to, condition } of lines) graph.setEdge(from, to, condition === null ? {} : { width: LABEL, height: 18, labelpos: 'c' })
  layout(graph)
  return new Map(
    boxes.map(({ id }) => {
      const { x = 0, y = 0 } = graph.node(id) as Partial<Place>
      return [id, { x: x - WIDTH / 2, y: y - HEIGHT / 2 }]
    }),
  )
}

/** The direction in which the boxes are shown larger on a canvas, and where they are. */
export function placeWithin(drawing: Drawing, width: number, height: number): { direction: Direction; places: ReadonlyMap<string, Place> } {
  const ways = (['LR', 'TB'] as const).map((direction) => {
    const places = place(drawing, direction)
    let [right, bottom] = [1, 1]
    for (const { x, y } of places.values()) [right, bottom] = [Math.max(right, x + WIDTH), Math.max(bottom, y + HEIGHT)]
    return { direction, places, scale: Math.min(1, width / right, height / bottom) }
  })
  const [across, down] = ways as [(typeof ways)[0], (typeof ways)[0]]
  // Reading goes across unless that makes it much smaller
  return down.scale > across.scale * 1.15 ? down : across
}

/** The way from one box to another, as a path of SVG. */
export function wayOf(from: Place, to: Place, direction: Direction): string {
  if (direction === 'LR') {
    const [x, y, right, level] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2]
    const bend = Math.max(24, Math.abs(right - x) / 2)
    return `M${x} ${y}C${x + bend} ${y} ${right - bend} ${level} ${right} ${level}`
  }
  const [x, y, across, top] = [from.x + WIDTH / 2, from.y + HEIGHT, to.x + WIDTH / 2, to.y]
  const bend = Math.max(18, Math.abs(top - y) / 2)
  return `M${x} ${y}C${x} ${y + bend} ${across} ${top - bend} ${across} ${top}`
}

/** All that has to end before a node can start. */
export function upstream({ edges }: Graph, id: string): ReadonlySet<string> {
  return reach(edges.map(({ from, to }) => [to, from] as const), id)
}

/** All that waits for a node, near or far. */
export function downstream({ edges }: Graph, id: string): ReadonlySet<string> {
  return reach(edges.map(({ from, to }) => [from, to] as const), id)
}

function reach(pairs: readonly (readonly [string, string])[], start: string): ReadonlySet<string> {
  const next = new Map<string, string[]>()
  for (const [from, to] of pairs) next.set(from, [...(next.get(from) ?? []), to])
  const found = new Set<string>()
  const open = [start]
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    for (const other of next.get(id) ?? []) {
      if (found.has(other)) continue
      found.add(other)
      open.push(other)
    }
  }
  return found
}
