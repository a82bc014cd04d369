// One run as a page shows it: fetched, subscribed to, and made whole where pushes were lost.
import { useDebounceFn } from '@vueuse/core'
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'
import { api, take } from '@/api/client'
import { asProblem, type Problem } from '@/api/problem'
import type { Graph } from '@/api/types'
import type { Message } from '@/live/reducer'
import { useLive } from '@/live/store'
import { allNodes, inOrder } from './actions'
import { type Input, mapsOf, nodesNow, nothing, reduce } from './progress'

/** Messages are applied together, so that a burst costs one rendering. */
const FLUSH = 50
/** How long a hole may wait for the message that fills it before it is fetched. */
const PATIENCE = 1500
/** Costs and outputs come with the nodes, which are asked for when something has ended. */
const FIGURES = 1000
const EVENTS = 500

export function useRun(runId: () => string) {
  const live = useLive()
  const state = shallowRef(nothing)
  const graph = shallowRef<Graph | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const loading = ref(true)
  let latest = 0
  let pending: Input[] = []
  let flush: ReturnType<typeof setTimeout> | undefined
  let patience: ReturnType<typeof setTimeout> | undefined
  let leave: (() => void) | undefined

  const path = () => ({ path: { id: runId() } })

  function apply(...inputs: Input[]): void {
    state.value = reduce(state.value, inputs)
    if (state.value.behind) patience ??= setTimeout(() => void catchUp(), PATIENCE)
  }

  function push(input: Input): void {
    pending.push(input)
    flush ??= setTimeout(() => {
      flush = undefined
      const inputs = pending
      pending = []
      const ends = inputs.some((one) => one.type === 'events' && one.events.some(({ event }) => event.type === 'ended' || (event.type === 'node' && event.node_status !== 'running')))
      apply(...inputs)
      if (ends) void figures()
    }, FLUSH)
  }

  function hear(message: Message): void {
    switch (message.type) {
      case 'run_event': {
        const { run_id, seq, at, status, event } = message
        return push({ type: 'events', events: [{ run_id, seq, at, status, event }] })
      }
      case 'gap':
        return push({ type: 'position', seq: message.to })
      case 'subscribed':
        return message.seq === null ? undefined : push({ type: 'position', seq: message.seq })
      case 'pong':
        for (const { run_id, seq } of message.runs) if (run_id === runId()) push({ type: 'position', seq })
    }
  }

  async function events(mine: number): Promise<void> {
    for (;;) {
      const page = await take(api.GET('/v1/runs/{id}/events', { params: { ...path(), query: { after: state.value.seq, limit: EVENTS } } }))
      if (mine !== latest) return
      apply({ type: 'events', events: page.items })
      if (!page.more || page.items.length === 0) return
    }
  }

  async function catchUp(): Promise<void> {
    const mine = latest
    try {
      if (state.value.behind) await events(mine)
    } catch {
      // The next ping, or the next poll, says again that it is behind
    } finally {
      patience = undefined
    }
  }

  /** The run and its nodes again: costs, outputs and the critical path are not in events. */
  async function refresh(): Promise<void> {
    const mine = latest
    const [run, found] = await Promise.all([take(api.GET('/v1/runs/{id}', { params: path() })), allNodes(runId())])
    if (mine !== latest) return
    apply({ type: 'run', run }, { type: 'nodes', nodes: found })
  }
  const figures = useDebounceFn(() => refresh().catch(() => undefined), FIGURES, { maxWait: 3 * FIGURES })

  async function load(): Promise<void> {
    const mine = latest
    try {
      await refresh()
      await events(mine)
      if (mine === latest) problem.value = null
    } catch (thrown) {
      if (mine === latest) problem.value = asProblem(thrown)
    } finally {
      if (mine === latest) loading.value = false
    }
  }

  async function draw(): Promise<void> {
    const mine = latest
    try {
      const drawn = await take(api.GET('/v1/runs/{id}/graph', { params: path() }))
      if (mine === latest) graph.value = drawn
    } catch (thrown) {
      if (mine === latest) problem.value = asProblem(thrown)
    }
  }

  function close(): void {
    latest++
    leave?.()
    clearTimeout(flush)
    clearTimeout(patience)
    flush = patience = undefined
    pending = []
  }

  watch(
    runId,
    (id) => {
      close()
      state.value = nothing
      graph.value = null
      problem.value = null
      loading.value = true
      leave = live.followRun(id, { seq: () => state.value.seq, hear })
      void load()
      void draw()
    },
    { immediate: true },
  )
  watch(() => live.tick, () => void load())
  onScopeDispose(close)

  return {
    state,
    run: computed(() => state.value.run),
    /** Each behind all that it waits for, once the graph is there. */
    nodes: computed(() => inOrder(nodesNow(state.value), graph.value)),
    maps: computed(() => mapsOf(state.value)),
    graph,
    problem,
    loading,
    reload: async () => {
      await load()
      if (!graph.value) await draw()
    },
  }
}
