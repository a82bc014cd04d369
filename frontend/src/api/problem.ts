import type { components } from './schema'

type Body = components['schemas']['Problem']

/** What the API, or the way to it, answered instead of what was asked for. The words are for people. */
export class Problem extends Error {
  override name = 'Problem'
  readonly code: string
  /** The HTTP status; 0 where no answer came. */
  readonly status: number
  readonly requestId: string | null
  /** What is wrong with each field of the request, by its path. */
  readonly fields: Readonly<Record<string, string>>

  constructor(message: string, code: string, status: number, requestId: string | null = null, fields = {}) {
    super(message)
    this.code = code
    this.status = status
    this.requestId = requestId
    this.fields = fields
  }
}

function isBody(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && 'code' in value && 'detail' in value
}

/** The problem that an answer holds; one from a proxy between may hold none. */
export function problemOf(body: unknown, response: Response): Problem {
  if (!isBody(body)) return new Problem('', 'unreadable', response.status, response.headers.get('x-request-id'))
  const fields: Record<string, string> = {}
  for (const { field, message } of body.errors ?? []) fields[field] ??= message
  return new Problem(body.detail, body.code, body.status, body.request_id, fields)
}

/** Anything thrown, as a problem: `fetch` throws a TypeError where no answer came. */
export function asProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown
  if (thrown instanceof TypeError) return new Problem('', 'network', 0)
  return new Problem(thrown instanceof Error ? thrown.message : String(thrown), 'unexpected', 0)
}
