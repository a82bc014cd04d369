// The access token lives in this module's memory only. The refresh token is an HttpOnly cookie that no script sees.
import { problemOf } from './problem'
import type { Session } from './types'

let token: string | null = null
let refreshing: Promise<Session | null> | null = null
let over: () => void = () => {}

export function setToken(next: string | null): void {
  token = next
}

/** Called when the session ended without the user's doing. */
export function onSessionOver(handler: () => void): void {
  over = handler
}

/** One at a time over all tabs: a refresh token is good once, and a second use of it ends the session. */
async function alone<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks ? navigator.locks.request('gpu-session', work) : work()
}

/** A new access token by the cookie; null if there is no session. However many ask at once, the API is asked once. */
export function refresh(): Promise<Session | null> {
  refreshing ??= alone(async () => {
    const response = await fetch('/v1/auth/refresh', { method: 'POST', credentials: 'same-origin' })
    if (response.status === 401) {
      token = null
      return null
    }
    if (!response.ok) throw problemOf(await response.json().catch(() => null), response)
    const session = (await response.json()) as Session
    token = session.access_token
    return session
  }).finally(() => {
    refreshing = null
  })
  return refreshing
}

function send(request: Request): Promise<Response> {
  if (token !== null) request.headers.set('authorization', `Bearer ${token}`)
  return fetch(request)
}

/** `fetch` with the access token; one that has expired is renewed and the request repeated, once. */
export async function authorized(request: Request): Promise<Response> {
  if (new URL(request.url).pathname.startsWith('/v1/auth/')) return fetch(request)
  const again = request.clone()
  const used = token
  const response = await send(request)
  if (response.status !== 401) return response
  // Somebody else may have renewed it while this request was under way
  if (token === used || token === null) {
    if ((await refresh()) === null) {
      over()
      return response
    }
  }
  return send(again)
}
