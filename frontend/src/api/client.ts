import createClient from 'openapi-fetch'
import { authorized } from './access'
import { problemOf } from './problem'
import type { paths } from './schema'

export const api = createClient<paths>({
  baseUrl: typeof location === 'undefined' ? 'http://127.0.0.1' : location.origin,
  fetch: authorized,
  querySerializer: { array: { style: 'form', explode: false } },
})

type Answer<T> = Promise<{ data?: T; error?: unknown; response: Response }>

/** What was asked for, or the problem thrown. */
export async function take<T>(answer: Answer<T>): Promise<T> {
  const { data, error, response } = await answer
  if (!response.ok) throw problemOf(error, response)
  return data as T
}
