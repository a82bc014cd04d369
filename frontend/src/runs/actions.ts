import { api, take } from '@/api/client'
import type { Graph, Run, RunNode } from '@/api/types'

export type Change = 'resume' | 'rerun'

export const cancelRun = (id: string): Promise<Run> => take(api.POST('/v1/runs/{id}/cancel', { params: { path: { id } } }))

/** A new run that goes on with an earlier one, or repeats it. */
export function changeRun(how: Change, id: string, params: Record<string, unknown>, key: string): Promise<Run> {
  const request = { params: { path: { id }, header: { 'Idempotency-Key': key } }, body: { params: params as Record<string, never> } }
  return take(how === 'resume' ? api.POST('/v1/runs/{id}/resume', request) : api.POST('/v1/runs/{id}/rerun', request))
}

/** A new run that does one node and all behind it once more. */
export const retryNode = (id: string, node: string, key: string): Promise<Run> =>
  take(api.POST('/v1/runs/{id}/nodes/{node}/retry', { params: { path: { id, node }, header: { 'Idempotency-Key': key } } }))

/** Nodes in the order of a graph, in which each comes after all that it waits for. */
export function inOrder(nodes: readonly RunNode[], graph: Graph | null): RunNode[] {
  const places = new Map(graph?.nodes.map(({ id }, index) => [id, index]))
  const placeOf = (node: RunNode) => places.get(node.node) ?? places.size + node.step
  return [...nodes].sort((a, b) => placeOf(a) - placeOf(b))
}

/** Every node of a run, by their numbers. */
export async function allNodes(id: string): Promise<RunNode[]> {
  const found: RunNode[] = []
  for (let cursor: string | undefined; ; ) {
    const page = await take(api.GET('/v1/runs/{id}/nodes', { params: { path: { id }, query: { limit: 100, cursor } } }))
    found.push(...page.items)
    if (page.next === null) return found
    cursor = page.next
  }
}
