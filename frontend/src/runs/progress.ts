// What happened to a run, from three sources that overlap: pushed events, the HTTP history, and the run and nodes themselves.
// Pure: an event is applied once and in its order, whichever way it came and however often.
import type { NodeStatus, RunDetail, RunEvent, RunNode, RunNodeCounts } from '@/api/types'

type NodeEvent = Extract<RunEvent['event'], { type: 'node' }>

/** What the events say of a node or of an item of a map. */
export interface Heard {
  status: NodeStatus
  attempt: number
  jobId: string | null
  reason: string | null
  startedAt: string | null
  endedAt: string | null
}

export interface Progress {
  run: RunDetail | null
  /** Number of the last event that was applied. */
  seq: number
  events: readonly RunEvent[]
  /** Events behind a hole, by number. */
  held: ReadonlyMap<number, RunEvent>
  /** The latest event that the server spoke of. */
  known: number
  /** The server has events that are not here. */
  behind: boolean
  /** Nodes as the API gave them, by name. */
  nodes: ReadonlyMap<string, RunNode>
  heard: ReadonlyMap<string, Heard>
  /** How many items a map has, by its name. */
  sizes: ReadonlyMap<string, number>
  /** Of each map the latest status of each item. */
  items: ReadonlyMap<string, ReadonlyMap<number, NodeStatus>>
}

export type Input =
  | { type: 'events'; events: readonly RunEvent[] }
  /** The server is at `seq`. */
  | { type: 'position'; seq: number }
  | { type: 'run'; run: RunDetail }
  | { type: 'nodes'; nodes: readonly RunNode[] }

export const nothing: Progress = {
  run: null,
  seq: 0,
  events: [],
  held: new Map(),
  known: 0,
  behind: false,
  nodes: new Map(),
  heard: new Map(),
  sizes: new Map(),
  items: new Map(),
}

const ended: ReadonlySet<NodeStatus> = new Set(['succeeded', 'failed', 'timed_out', 'skipped', 'cancelled', 'upstream_failed'])
export const isEnded = (status: NodeStatus): boolean => ended.has(status)

interface Draft extends Progress {
  events: RunEvent[]
  held: Map<number, RunEvent>
  nodes: Map<string, RunNode>
  heard: Map<string, Heard>
  sizes: Map<string, number>
  items: Map<string, Map<number, NodeStatus>>
}

/** Applies inputs in their order; what is shown is copied once for all of them. */
export function reduce(progress: Progress, inputs: readonly Input[]): Progress {
  if (inputs.length === 0) return progress
  const draft: Draft = {
    ...progress,
    events: [...progress.events],
    held: new Map(progress.held),
    nodes: new Map(progress.nodes),
    heard: new Map(progress.heard),
    sizes: new Map(progress.sizes),
    items: new Map([...progress.items].map(([map, items]) => [map, new Map(items)])),
  }
  for (const input of inputs) {
    switch (input.type) {
      case 'events':
        for (const event of input.events) if (event.seq > draft.seq) draft.held.set(event.seq, event)
        settle(draft)
        break
      case 'position':
        draft.known = Math.max(draft.known, input.seq)
        break
      case 'run':
        draft.known = Math.max(draft.known, input.run.seq)
        if (!draft.run || input.run.seq >= draft.run.seq) draft.run = input.run
        break
      case 'nodes':
        for (const node of input.nodes) draft.nodes.set(node.node, node)
    }
  }
  draft.behind = draft.held.size > 0 || draft.known > draft.seq
  return draft
}

/** Applies held events that follow without a hole. */
function settle(draft: Draft): void {
  for (let next = draft.held.get(draft.seq + 1); next; next = draft.held.get(draft.seq + 1)) {
    draft.held.delete(next.seq)
    draft.seq = next.seq
    draft.events.push(next)
    if (next.event.type === 'node') hear(draft, next, next.event)
    if (draft.run && draft.run.seq < next.seq) draft.run = advance(draft.run, next)
  }
}

function hear(draft: Draft, { at }: RunEvent, event: NodeEvent): void {
  if (event.item !== null) {
    const items = draft.items.get(event.node) ?? new Map<number, NodeStatus>()
    draft.items.set(event.node, items.set(event.item, event.node_status))
    return
  }
  const before = draft.heard.get(event.node)
  if (event.items !== null) draft.sizes.set(event.node, event.items)
  draft.heard.set(event.node, {
    status: event.node_status,
    attempt: event.attempt,
    jobId: event.job_id ?? before?.jobId ?? null,
    reason: event.reason,
    startedAt: before?.startedAt ?? (event.node_status === 'running' ? at : null),
    endedAt: isEnded(event.node_status) ? at : null,
  })
}

/** The run after one more event. Figures that only the API knows stay until it is asked again. */
export function advance<T extends Pick<RunDetail, 'seq' | 'status' | 'updated_at' | 'stop' | 'ended_at' | 'reason'>>(run: T, { seq, at, status, event }: RunEvent): T {
  const next = { ...run, seq, status, updated_at: at }
  switch (event.type) {
    case 'stop_requested':
      return { ...next, stop: { stop: event.stop, at, by: null } }
    case 'ended':
      return { ...next, ended_at: at, reason: event.reason }
    default:
      return next
  }
}

/** A node as it is now: figures from the API, and what was heard since. What has ended stays ended. */
export function nodeNow(node: RunNode, heard: Heard | undefined, size: number | undefined): RunNode {
  if (!heard || (isEnded(node.status) && !isEnded(heard.status))) return node
  return {
    ...node,
    status: heard.status,
    attempt: Math.max(node.attempt, heard.attempt),
    job_id: heard.jobId ?? node.job_id,
    reason: heard.reason ?? node.reason,
    started_at: node.started_at ?? heard.startedAt,
    ended_at: node.ended_at ?? heard.endedAt,
    items: node.items ?? size ?? null,
  }
}

export function nodesNow({ nodes, heard, sizes }: Progress): RunNode[] {
  return [...nodes.values()].map((node) => nodeNow(node, heard.get(node.node), sizes.get(node.node)))
}

export const statuses: readonly NodeStatus[] = ['waiting', 'ready', 'running', 'succeeded', 'failed', 'timed_out', 'skipped', 'cancelled', 'upstream_failed']

export function countsOf(found: Iterable<NodeStatus>): RunNodeCounts {
  const counts: RunNodeCounts = { waiting: 0, ready: 0, running: 0, succeeded: 0, failed: 0, timed_out: 0, skipped: 0, cancelled: 0, upstream_failed: 0 }
  for (const status of found) counts[status]++
  return counts
}

export interface MapProgress {
  /** Null before the map begins. */
  total: number | null
  counts: RunNodeCounts
}

/** How far each map has come, by what was heard of its items. */
export function mapsOf({ nodes, items, sizes }: Progress): ReadonlyMap<string, MapProgress> {
  const maps = new Map<string, MapProgress>()
  for (const [name, node] of nodes) {
    if (node.kind !== 'map') continue
    const total = sizes.get(name) ?? node.items ?? null
    maps.set(name, { total, counts: countsOf(items.get(name)?.values() ?? []) })
  }
  return maps
}
