import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Connection, Socket } from '@/live/socket'

class Wire extends EventTarget {
  static readonly OPEN = 1
  readyState = 0
  readonly sent: { action: string; job_id?: string; after?: number }[] = []

  constructor(readonly url: string) {
    super()
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text))
  }

  close(): void {
    this.readyState = 3
  }

  open(): void {
    this.readyState = 1
    this.dispatchEvent(new Event('open'))
  }

  say(message: unknown): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify(message) }))
  }

  break(): void {
    this.readyState = 3
    this.dispatchEvent(new Event('close'))
  }
}

let wires: Wire[]
let states: Connection[]
let heard: string[]
let after: number
let tickets: () => Promise<string>

function start(): Socket {
  const socket = new Socket({
    ticket: () => tickets(),
    subscriptions: () => [{ action: 'subscribe', job_id: 'job_1', after }],
    messages: (messages) => heard.push(...messages.map(({ type }) => type)),
    state: (state) => states.push(state),
    open: (url) => {
      const wire = new Wire(url)
      wires.push(wire)
      return wire as unknown as WebSocket
    },
  })
  socket.start()
  return socket
}

const tick = () => vi.advanceTimersByTimeAsync(0)
const last = () => wires.at(-1)!

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('WebSocket', Wire)
  wires = []
  states = []
  heard = []
  after = 3
  let count = 0
  tickets = async () => `ws://127.0.0.1/ws?ticket=${++count}`
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('a lost connection', () => {
  test('is opened again with a new ticket, and asks for what came after the last event', async () => {
    start()
    await tick()
    last().open()
    expect(last().sent).toEqual([{ action: 'subscribe', job_id: 'job_1', after: 3 }])
    after = 7
    last().break()
    expect(states.at(-1)).toBe('reconnecting')
    await vi.advanceTimersByTimeAsync(1000)
    last().open()
    expect(wires.map(({ url }) => url.slice(-1))).toEqual(['1', '2'])
    expect(last().sent).toEqual([{ action: 'subscribe', job_id: 'job_1', after: 7 }])
    expect(states.at(-1)).toBe('live')
  })

  test('that says nothing is noticed by its silence after a ping', async () => {
    start()
    await tick()
    last().open()
    await vi.advanceTimersByTimeAsync(30_000)
    expect(last().sent.at(-1)).toEqual({ action: 'ping' })
    last().say({ type: 'pong', id: null, at: '', jobs: [] })
    await vi.advanceTimersByTimeAsync(29_000)
    expect(states.at(-1)).toBe('live')
    await vi.advanceTimersByTimeAsync(14_000)
    expect(states.at(-1)).toBe('reconnecting')
  })

  test('what a dead connection still says is not heard', async () => {
    start()
    await tick()
    last().open()
    const dead = last()
    dead.break()
    dead.say({ type: 'pong', id: null, at: '', jobs: [] })
    expect(heard).toEqual([])
  })
})

test('where no connection can be had the page polls, and trying goes on with growing pauses', async () => {
  tickets = () => Promise.reject(new Error('blocked'))
  const tries = vi.fn(tickets)
  tickets = tries
  start()
  await vi.advanceTimersByTimeAsync(20_000)
  expect(states.at(-1)).toBe('polling')
  const early = tries.mock.calls.length
  await vi.advanceTimersByTimeAsync(120_000)
  const late = tries.mock.calls.length - early
  expect(late).toBeGreaterThanOrEqual(4)
  expect(late).toBeLessThanOrEqual(10)
  tickets = async () => 'ws://127.0.0.1/ws?ticket=x'
  for (let second = 0; wires.length === 0 && second < 31; second++) await vi.advanceTimersByTimeAsync(1000)
  last().open()
  expect(states.at(-1)).toBe('live')
})

test('a batch is its messages in their order', async () => {
  start()
  await tick()
  last().open()
  last().say({ type: 'batch', messages: [{ type: 'pong' }, { type: 'gap' }] })
  last().say({ type: 'progress' })
  expect(heard).toEqual(['pong', 'gap', 'progress'])
})

test('a stopped connection stays closed', async () => {
  const socket = start()
  await tick()
  last().open()
  socket.stop()
  await vi.advanceTimersByTimeAsync(300_000)
  expect(wires).toHaveLength(1)
  expect(states.at(-1)).toBe('off')
})
