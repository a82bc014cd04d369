// Places for hundreds of boxes in milliseconds: each box in the layer behind all that it waits for, layers ordered by their neighbours.
// dagre's places are nicer and take it half a second for 500 boxes.
import type { Direction, Drawing, Place } from './layout'

interface Sizes {
  width: number
  height: number
  /** Between boxes of a layer, and between layers. */
  gap: number
  layerGap: number
}

/** Ways forth and back over the layers; more change little. */
const SWEEPS = 6

export function layered({ boxes, lines }: Drawing, direction: Direction, { width, height, gap, layerGap }: Sizes): ReadonlyMap<string, Place> {
  const before = new Map<string, string[]>(boxes.map(({ id }) => [id, []]))
  const after = new Map<string, string[]>(boxes.map(({ id }) => [id, []]))
  for (const { from, to } of lines) {
    before.get(to)?.push(from)
    after.get(from)?.push(to)
  }
  const layers = layersOf(boxes.map(({ id }) => id), before, after)
  order(layers, before, after)
  const [breadth, depth] = direction === 'LR' ? [height + gap, width + layerGap] : [width + gap, height + layerGap]
  const widest = Math.max(...layers.map((layer) => layer.length))
  const places = new Map<string, Place>()
  for (const [rank, layer] of layers.entries()) {
    for (const [index, id] of layer.entries()) {
      const along = rank * depth
      const across = (index + (widest - layer.length) / 2) * breadth
      places.set(id, direction === 'LR' ? { x: along, y: across } : { x: across, y: along })
    }
  }
  return places
}

function layersOf(ids: readonly string[], before: ReadonlyMap<string, string[]>, after: ReadonlyMap<string, string[]>): string[][] {
  const open = new Map(ids.map((id) => [id, before.get(id)?.length ?? 0]))
  const layers: string[][] = []
  for (let layer = ids.filter((id) => open.get(id) === 0); layer.length > 0; ) {
    layers.push(layer)
    const next: string[] = []
    for (const id of layer) {
      for (const other of after.get(id) ?? []) {
        const left = (open.get(other) ?? 0) - 1
        open.set(other, left)
        if (left === 0) next.push(other)
      }
    }
    layer = next
  }
  return layers
}

/** Puts each box near the middle of its neighbours: those before it on the way forth, those behind it on the way back. */
function order(layers: string[][], before: ReadonlyMap<string, string[]>, after: ReadonlyMap<string, string[]>): void {
  const at = new Map<string, number>()
  const note = (layer: readonly string[]) => layer.forEach((id, index) => at.set(id, index - layer.length / 2))
  layers.forEach(note)
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const neighbours = sweep % 2 === 0 ? before : after
    for (const layer of sweep % 2 === 0 ? layers : [...layers].reverse()) {
      const middle = new Map(
        layer.map((id) => {
          const found = neighbours.get(id) ?? []
          return [id, found.length === 0 ? (at.get(id) ?? 0) : found.reduce((sum, other) => sum + (at.get(other) ?? 0), 0) / found.length]
        }),
      )
      layer.sort((a, b) => (middle.get(a) ?? 0) - (middle.get(b) ?? 0))
      note(layer)
    }
  }
}
