import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { useLive } from '@/live/store'
import { cleanRun, job } from './build'

let wires: EventTarget[]
let asked: string[]

class Wire extends EventTarget {
  static readonly OPEN = 1
  readyState = 1
  sent: string[] = []

  constructor() {
    super()
    wires.push(this)
  }

  send(text: string): void {
    this.sent.push(text)
  }

  close(): void {}
}

const say = (wire: EventTarget, message: unknown) => wire.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify(message) }))

beforeEach(() => {
  vi.useFakeTimers()
  setActivePinia(createPinia())
  wires = []
  asked = []
  const target = new EventTarget()
  vi.stubGlobal('window', target)
  vi.stubGlobal('document', target)
  vi.stubGlobal('WebSocket', Wire)
  vi.stubGlobal('fetch', async (request: Request) => {
    const { pathname, searchParams } = new URL(request.url)
    asked.push(pathname)
    if (pathname === '/v1/realtime/ticket') return Response.json({ url: 'ws://127.0.0.1/ws', ticket: 't', expires_at: '' }, { status: 201 })
    if (pathname.endsWith('/events')) {
      const items = cleanRun().filter(({ seq }) => seq > Number(searchParams.get('after')))
      return Response.json({ items, next: 5, more: false })
    }
    return Response.json(job({ seq: 5, status: 'succeeded' }))
  })
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

async function connected() {
  const live = useLive()
  live.start()
  await vi.advanceTimersByTimeAsync(10)
  wires[0]!.dispatchEvent(new Event('open'))
  return live
}

describe('the live store', () => {
  test('shows a pushed event of a job that it knows', async () => {
    const live = await connected()
    live.put(job())
    say(wires[0]!, { type: 'status', ...cleanRun()[1] })
    await vi.advanceTimersByTimeAsync(60)
    expect(live.job('job_1')?.status).toBe('provisioning')
  })

  test('fetches a watched job’s events where a push was lost, and applies each once', async () => {
    const live = await connected()
    live.put(job())
    const messages: string[] = []
    live.watch('job_1', ({ type }) => messages.push(type))
    await live.history('job_1', 0)
    say(wires[0]!, { type: 'completion', ...cleanRun()[4] })
    await vi.advanceTimersByTimeAsync(3000)
    expect(live.state.jobs.get('job_1')?.events.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
    expect(live.job('job_1')?.status).toBe('succeeded')
    expect(messages).toEqual(['completion'])
  })

  test('asks pages to fetch anew when it is connected again, and while it is not', async () => {
    const live = await connected()
    say(wires[0]!, { type: 'subscribed', id: null, job_id: null, all: true, seq: null, status: null })
    expect(live.tick).toBe(1)
    wires[0]!.dispatchEvent(new Event('close'))
    await vi.advanceTimersByTimeAsync(6000)
    expect(live.connection).not.toBe('live')
    expect(live.tick).toBeGreaterThan(1)
  })

  test('of jobs that no page knows, however many, asks pages once', async () => {
    const live = await connected()
    for (let number = 0; number < 500; number++) say(wires[0]!, { type: 'status', ...cleanRun()[1], job_id: `job_${number}` })
    await vi.advanceTimersByTimeAsync(4000)
    expect(live.tick).toBe(1)
  })

  test('forgets everything with the session', async () => {
    const live = await connected()
    live.put(job())
    live.stop()
    expect(live.job('job_1')).toBeNull()
    expect(live.connection).toBe('off')
  })
})
