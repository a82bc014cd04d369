import type { NodeStatus } from '@/api/types'
import type { MapProgress } from '@/runs/progress'

/** What a box says of a node of a run. */
export interface Shown {
  status: NodeStatus
  attempt: number
  /** Its output came from an earlier run. */
  reused: boolean
  map: MapProgress | null
}

const order: readonly NodeStatus[] = ['failed', 'timed_out', 'running', 'ready', 'upstream_failed', 'cancelled', 'waiting', 'skipped', 'succeeded']

/** The one status that many nodes have together: what has to be looked at first. */
export function statusOf(statuses: readonly NodeStatus[]): NodeStatus | null {
  return order.find((status) => statuses.includes(status)) ?? null
}
