// Bars of nodes over the time of a run.
import type { RunDetail, RunNode } from '@/api/types'

export interface Bar {
  node: RunNode
  /** Depth in groups, and the last part of its name. */
  depth: number
  label: string
  /** From 0 to 1 of the time shown; null before it has started. */
  from: number | null
  to: number | null
}

export interface Gantt {
  bars: readonly Bar[]
  seconds: number
  /** Seconds since the start, at round figures. */
  ticks: readonly number[]
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800]

export function ganttOf(run: RunDetail, nodes: readonly RunNode[], now: number): Gantt {
  const start = Date.parse(run.started_at)
  const times = nodes.flatMap(({ ended_at }) => (ended_at ? [Date.parse(ended_at)] : []))
  const end = run.ended_at ? Math.max(Date.parse(run.ended_at), ...times) : Math.max(now, ...times)
  const span = Math.max(1000, end - start)
  const part = (at: number) => Math.min(1, Math.max(0, (at - start) / span))
  const bars = nodes.map((node) => {
    const names = node.node.split('.')
    // Of a run that has kept it, a node did nothing in this one
    const begun = node.kept_from === null ? (node.started_at ?? node.ended_at) : null
    return {
      node,
      depth: names.length - 1,
      label: names.at(-1) ?? node.node,
      from: begun === null ? null : part(Date.parse(begun)),
      to: begun === null ? null : part(node.ended_at ? Date.parse(node.ended_at) : end),
    }
  })
  const seconds = span / 1000
  const step = STEPS.find((one) => seconds / one <= 6) ?? 604800
  return { bars, seconds, ticks: Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step) }
}
