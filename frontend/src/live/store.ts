import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { api, take } from '@/api/client'
import type { Job, RunEvent } from '@/api/types'
import type { components } from './messages'
import { empty, type Input, type Message, reduce } from './reducer'
import { type Connection, Socket } from './socket'

type Request = components['schemas']['Request']
type Listener = (message: Message) => void

/** Whoever follows a run: how far it is, and what is said of the run. */
export interface RunFollower {
  seq: () => number
  hear: (message: Message) => void
}

/** Messages are applied together, so that a burst costs one rendering. */
const FLUSH = 50
/** How long a hole may wait for the message that fills it before it is fetched. */
const PATIENCE = 1500
/** How often pages ask while no push comes. */
const POLL = 5000
const PAGE = 200
/** How long a job of elsewhere may stay unshown. */
const MEET = 2000

/** What is known of jobs now, and the one connection that keeps it so. */
export const useLive = defineStore('live', () => {
  const state = shallowRef(empty)
  const connection = ref<Connection>('off')
  /** Goes up whenever pages have to ask again themselves: no pushes come, or some may have been missed. */
  const tick = ref(0)
  const watched = new Map<string, number>()
  const listeners = new Map<string, Set<Listener>>()
  const followers = new Map<string, Set<RunFollower>>()
  const runListeners = new Set<(event: RunEvent) => void>()
  const waiting = new Set<string>()
  let pending: Input[] = []
  let flush: ReturnType<typeof setTimeout> | undefined
  let poll: ReturnType<typeof setInterval> | undefined
  let meeting: ReturnType<typeof setTimeout> | undefined

  const socket = new Socket({
    ticket: async () => (await take(api.POST('/v1/realtime/ticket'))).url,
    subscriptions: () => [
      { action: 'subscribe', all: true },
      ...[...watched.keys()].map(subscription),
      ...[...followers.keys()].map(runSubscription),
    ],
    messages: (messages) => {
      for (const message of messages) {
        if (message.type === 'subscribed' && message.all) tick.value++
        const jobId = 'job_id' in message ? message.job_id : null
        if (jobId) for (const listener of listeners.get(jobId) ?? []) listener(message)
        tellRuns(message)
        push({ type: 'message', message })
      }
    },
    state: (next) => {
      connection.value = next
      clearInterval(poll)
      if (next !== 'live' && next !== 'off') poll = setInterval(() => tick.value++, POLL)
    },
  })

  function subscription(jobId: string): Request {
    return { action: 'subscribe', job_id: jobId, after: state.value.jobs.get(jobId)?.seq ?? 0 }
  }

  function runSubscription(runId: string): Request {
    const seen = [...(followers.get(runId) ?? [])].map(({ seq }) => seq())
    return { action: 'subscribe', run_id: runId, after: seen.length > 0 ? Math.min(...seen) : 0 }
  }

  function tellRuns(message: Message): void {
    if (message.type === 'run_event') for (const listener of runListeners) listener(message)
    if (message.type === 'pong') {
      for (const { run_id } of message.runs ?? []) for (const { hear } of followers.get(run_id) ?? []) hear(message)
      return
    }
    const runId = 'run_id' in message ? message.run_id : null
    if (runId) for (const { hear } of followers.get(runId) ?? []) hear(message)
  }

  /** Subscribes to a run, from the follower's position on, until the returned function is called. */
  function followRun(runId: string, follower: RunFollower): () => void {
    const set = followers.get(runId) ?? new Set()
    followers.set(runId, set.add(follower))
    socket.send(runSubscription(runId))
    return () => {
      set.delete(follower)
      if (set.size > 0) return
      followers.delete(runId)
      socket.send({ action: 'unsubscribe', run_id: runId })
    }
  }

  /** Hears every event of every run of the user, in no order between runs. */
  function onRunEvent(listener: (event: RunEvent) => void): () => void {
    runListeners.add(listener)
    return () => runListeners.delete(listener)
  }

  function push(...inputs: Input[]): void {
    pending.push(...inputs)
    flush ??= setTimeout(apply, FLUSH)
  }

  function apply(): void {
    clearTimeout(flush)
    flush = undefined
    const inputs = pending
    pending = []
    state.value = reduce(state.value, inputs)
    for (const jobId of state.value.behind) {
      if (waiting.has(jobId)) continue
      waiting.add(jobId)
      setTimeout(() => void catchUp(jobId), PATIENCE)
    }
    if (state.value.unknown.size > 0) meet([...state.value.unknown])
  }

  async function catchUp(jobId: string): Promise<void> {
    try {
      const tracked = state.value.jobs.get(jobId)
      if (!tracked || !state.value.behind.has(jobId)) return
      if (watched.has(jobId)) await history(jobId, tracked.seq)
      else put(await take(api.GET('/v1/jobs/{id}', { params: { path: { id: jobId } } })))
    } catch {
      // The next ping, or the next poll, says again that it is behind
    } finally {
      waiting.delete(jobId)
    }
  }

  /** Jobs that were submitted elsewhere: pages ask again, not at each event of a thousand jobs that no page shows. */
  function meet(jobIds: string[]): void {
    state.value = reduce(state.value, [{ type: 'seen', jobIds }])
    meeting ??= setTimeout(() => {
      meeting = undefined
      tick.value++
    }, MEET)
  }

  function put(...jobs: Job[]): void {
    state.value = reduce(state.value, jobs.map((job) => ({ type: 'job', job })))
  }

  async function history(jobId: string, from: number): Promise<void> {
    for (let after = from, more = true; more; ) {
      const page = await take(
        api.GET('/v1/jobs/{id}/events', { params: { path: { id: jobId }, query: { after, limit: PAGE } } }),
      )
      state.value = reduce(state.value, [
        { type: 'history', jobId, after, events: page.items, more: page.more },
      ])
      more = page.more && page.next > after
      after = page.next
    }
  }

  /** Follows one job with its history until the returned function is called. */
  function watch(jobId: string, listener: Listener): () => void {
    watched.set(jobId, (watched.get(jobId) ?? 0) + 1)
    const set = listeners.get(jobId) ?? new Set()
    listeners.set(jobId, set.add(listener))
    socket.send(subscription(jobId))
    return () => {
      set.delete(listener)
      const left = (watched.get(jobId) ?? 1) - 1
      if (left > 0) {
        watched.set(jobId, left)
        return
      }
      watched.delete(jobId)
      listeners.delete(jobId)
      socket.send({ action: 'unsubscribe', job_id: jobId })
    }
  }

  function wake(): void {
    if (document.visibilityState === 'visible') socket.wake()
  }

  function start(): void {
    socket.start()
    window.addEventListener('online', wake)
    document.addEventListener('visibilitychange', wake)
  }

  function stop(): void {
    socket.stop()
    clearInterval(poll)
    clearTimeout(flush)
    clearTimeout(meeting)
    flush = undefined
    meeting = undefined
    pending = []
    state.value = empty
    window.removeEventListener('online', wake)
    document.removeEventListener('visibilitychange', wake)
  }

  const job = (jobId: string) => state.value.jobs.get(jobId)?.job ?? null

  return { state, connection, tick, pushed: computed(() => connection.value === 'live'), job, put, push, history, watch, followRun, onRunEvent, start, stop }
})
