// One WebSocket for the whole page: it opens again by itself, notices a silent death, and asks for what it missed.
import type { components } from './messages'
import type { Message } from './reducer'

type Frame = components['schemas']['Frame']
type Request = components['schemas']['Request']

export type Connection = 'off' | 'connecting' | 'live' | 'reconnecting' | 'polling'

export interface Hooks {
  /** A one-time ticket's address. */
  ticket: () => Promise<string>
  /** What to subscribe to now, with the last event known of each job. */
  subscriptions: () => Request[]
  messages: (messages: Message[]) => void
  state: (state: Connection) => void
  open?: (url: string) => WebSocket
}

const PING = 30_000
/** No word for that long after a ping: the connection is dead, whatever it says. */
const SILENCE = 12_000
const LONGEST_PAUSE = 30_000
/** So many failures in a row, and the page goes on by polling; trying again never ends. */
const POLL_AFTER = 2

export class Socket {
  private socket: WebSocket | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private watchdog: ReturnType<typeof setTimeout> | undefined
  private failures = 0
  private running = false
  private everLive = false
  private generation = 0

  constructor(private readonly hooks: Hooks) {}

  start(): void {
    if (this.running) return
    this.running = true
    this.failures = 0
    void this.connect()
  }

  stop(): void {
    this.running = false
    this.everLive = false
    this.drop()
    this.hooks.state('off')
  }

  /** Tries at once: the network came back, or the page is looked at again. */
  wake(): void {
    if (!this.running) return
    if (this.socket?.readyState === WebSocket.OPEN) this.ping()
    else if (this.socket === null) {
      clearTimeout(this.timer)
      void this.connect()
    }
  }

  send(request: Request): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(request))
  }

  private drop(): void {
    this.generation++
    clearTimeout(this.timer)
    clearTimeout(this.watchdog)
    const socket = this.socket
    this.socket = null
    socket?.close()
  }

  private async connect(): Promise<void> {
    this.drop()
    const generation = this.generation
    this.hooks.state(this.failures > POLL_AFTER ? 'polling' : this.everLive ? 'reconnecting' : 'connecting')
    let url: string
    try {
      url = await this.hooks.ticket()
    } catch {
      if (generation === this.generation) this.fail()
      return
    }
    if (generation !== this.generation || !this.running) return
    const socket = this.hooks.open ? this.hooks.open(url) : new WebSocket(url)
    this.socket = socket
    this.watchdog = setTimeout(() => this.fail(), SILENCE)
    const mine = (handler: (event: MessageEvent) => void) => (event: Event) => {
      if (socket === this.socket) handler(event as MessageEvent)
    }
    socket.addEventListener('open', mine(() => this.opened()))
    socket.addEventListener('message', mine((event) => this.heard(event.data)))
    socket.addEventListener('close', mine(() => this.fail()))
  }

  private opened(): void {
    this.failures = 0
    this.everLive = true
    clearTimeout(this.watchdog)
    this.hooks.state('live')
    for (const request of this.hooks.subscriptions()) this.send(request)
    this.later()
  }

  private heard(data: unknown): void {
    clearTimeout(this.watchdog)
    if (typeof data !== 'string') return
    let frame: Frame
    try {
      frame = JSON.parse(data) as Frame
    } catch {
      return
    }
    this.hooks.messages(frame.type === 'batch' ? frame.messages : [frame])
  }

  private later(): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.ping(), PING)
  }

  private ping(): void {
    this.send({ action: 'ping' })
    clearTimeout(this.watchdog)
    this.watchdog = setTimeout(() => this.fail(), SILENCE)
    this.later()
  }

  private fail(): void {
    this.drop()
    if (!this.running) return
    this.failures++
    this.hooks.state(this.failures > POLL_AFTER ? 'polling' : this.everLive ? 'reconnecting' : 'connecting')
    const pause = Math.min(LONGEST_PAUSE, 500 * 2 ** this.failures)
    this.timer = setTimeout(() => void this.connect(), pause * (0.5 + Math.random() / 2))
  }
}
