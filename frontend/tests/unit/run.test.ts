import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { effectScope, ref } from 'vue'
import { useLive } from '@/live/store'
import { useRun } from '@/runs/run'
import { became, happened, node, run, started } from './runs'

let wires: Wire[]
let asked: string[]
/** What the API has: the test moves it on. */
let history: (typeof started)[]

class Wire extends EventTarget {
  static readonly OPEN = 1
  readyState = 1
  sent: Record<string, unknown>[] = []

  constructor() {
    super()
    wires.push(this)
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>)
  }

  close(): void {}

  say(message: unknown): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify(message) }))
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
  wires = []
  asked = []
  history = [started, became(2, 'train', 'running')]
  const target = new EventTarget()
  vi.stubGlobal('window', target)
  vi.stubGlobal('document', target)
  vi.stubGlobal('WebSocket', Wire)
  vi.stubGlobal('fetch', async (request: Request) => {
    const { pathname, searchParams } = new URL(request.url)
    asked.push(pathname + (searchParams.has('after') ? `?after=${searchParams.get('after')}` : ''))
    const latest = history.at(-1)!
    if (pathname === '/v1/realtime/ticket') return Response.json({ url: 'ws://127.0.0.1/ws', ticket: 't', expires_at: '' }, { status: 201 })
    if (pathname.endsWith('/events')) return Response.json({ items: history.filter(({ seq }) => seq > Number(searchParams.get('after'))), next: latest.seq, more: false })
    if (pathname.endsWith('/nodes')) return Response.json({ items: [node('train'), node('tell', { step: 1 })], next: null })
    if (pathname.endsWith('/graph')) return Response.json({ nodes: [], edges: [], more_edges: 0 })
    return Response.json(run({ seq: latest.seq, status: latest.status }))
  })
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

async function shown() {
  const live = useLive()
  live.start()
  await vi.advanceTimersByTimeAsync(10)
  wires[0]!.dispatchEvent(new Event('open'))
  const scope = effectScope()
  const id = ref('run_1')
  const page = scope.run(() => useRun(() => id.value))!
  await vi.advanceTimersByTimeAsync(10)
  const status = (name: string) => page.nodes.value.find((one) => one.node === name)?.status
  return { page, scope, id, wire: wires[0]!, status }
}

describe('a run that is shown', () => {
  test('is subscribed to, and follows what is pushed', async () => {
    const { wire, status, page } = await shown()
    expect(wire.sent).toContainEqual({ action: 'subscribe', run_id: 'run_1', after: 0 })
    expect(status('train')).toBe('running')
    wire.say({ type: 'batch', messages: [{ type: 'run_event', ...became(3, 'train', 'succeeded') }, { type: 'run_event', ...happened(4, { type: 'ended', reason: null }, 'succeeded') }] })
    await vi.advanceTimersByTimeAsync(60)
    expect(status('train')).toBe('succeeded')
    expect(page.run.value?.status).toBe('succeeded')
  })

  test('fetches the events after the last one that it has, where a push was lost', async () => {
    const { wire, status, page } = await shown()
    history = [...history, became(3, 'train', 'succeeded'), became(4, 'tell', 'running')]
    asked = []
    wire.say({ type: 'run_event', ...history[3] })
    await vi.advanceTimersByTimeAsync(60)
    expect(status('tell')).toBe('waiting')
    await vi.advanceTimersByTimeAsync(2000)
    expect(asked.filter((path) => path.includes('after'))).toEqual(['/v1/runs/run_1/events?after=2'])
    expect(status('tell')).toBe('running')
    expect(page.state.value.events.map(({ seq }) => seq)).toEqual([1, 2, 3, 4])
  })

  test.each([
    ['a gap', { type: 'gap', job_id: null, run_id: 'run_1', from: 3, to: 3, message: '' }],
    ['a pong', { type: 'pong', id: null, at: '', jobs: [], runs: [{ run_id: 'run_1', seq: 3, status: 'running' }] }],
    ['a subscription that stands', { type: 'subscribed', id: null, job_id: null, run_id: 'run_1', all: false, seq: 3, status: null, run_status: 'running' }],
  ])('is made whole when %s says that there is more', async (_, message) => {
    const { wire, status } = await shown()
    history = [...history, became(3, 'train', 'succeeded')]
    wire.say(message)
    await vi.advanceTimersByTimeAsync(2000)
    expect(status('train')).toBe('succeeded')
  })

  test('is subscribed to from its last event on when the connection is back', async () => {
    const { wire } = await shown()
    wire.dispatchEvent(new Event('close'))
    await vi.advanceTimersByTimeAsync(3000)
    wires.at(-1)!.dispatchEvent(new Event('open'))
    expect(wires.length).toBeGreaterThan(1)
    expect(wires.at(-1)!.sent).toContainEqual({ action: 'subscribe', run_id: 'run_1', after: 2 })
  })

  test('asks for figures again once a node has ended', async () => {
    const { wire } = await shown()
    asked = []
    wire.say({ type: 'run_event', ...became(3, 'train', 'succeeded') })
    await vi.advanceTimersByTimeAsync(1500)
    expect(asked).toContain('/v1/runs/run_1/nodes')
  })

  test('gives way to another one, and is left with the page', async () => {
    const { page, id, wire, scope } = await shown()
    id.value = 'run_2'
    await vi.advanceTimersByTimeAsync(10)
    expect(wire.sent.slice(-2)).toEqual([
      { action: 'unsubscribe', run_id: 'run_1' },
      { action: 'subscribe', run_id: 'run_2', after: 0 },
    ])
    // What still comes of the first one is of no concern
    wire.say({ type: 'run_event', ...became(3, 'train', 'succeeded') })
    await vi.advanceTimersByTimeAsync(60)
    expect(page.state.value.events.every(({ seq }) => seq < 3)).toBe(true)
    scope.stop()
    expect(wire.sent.at(-1)).toEqual({ action: 'unsubscribe', run_id: 'run_2' })
  })
})
