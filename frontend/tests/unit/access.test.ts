import { beforeEach, describe, expect, test, vi } from 'vitest'

type Reply = (request: Request) => Response | Promise<Response>

const session = (token: string) => Response.json({ access_token: token, user: { id: 'usr_1' } })
const refused = () => new Response('{}', { status: 401 })

async function fresh() {
  vi.resetModules()
  return import('@/api/access')
}

function serve(reply: Reply) {
  const asked: string[] = []
  vi.stubGlobal('fetch', async (input: Request | string, init?: RequestInit) => {
    const request = input instanceof Request ? input : new Request(new URL(input, 'http://127.0.0.1'), init)
    asked.push(`${new URL(request.url).pathname} ${request.headers.get('authorization') ?? ''}`.trim())
    return reply(request)
  })
  return asked
}

const isRefresh = (request: Request) => request.url.endsWith('/v1/auth/refresh')
const ask = () => new Request('http://127.0.0.1/v1/me')

beforeEach(() => {
  vi.unstubAllGlobals()
  vi.stubGlobal('navigator', {})
})

describe('an expired access token', () => {
  test('is renewed once, however many requests notice it', async () => {
    const { authorized, setToken } = await fresh()
    const asked = serve((request) => {
      if (isRefresh(request)) return session('new')
      return request.headers.get('authorization') === 'Bearer new' ? Response.json({}) : refused()
    })
    setToken('old')
    const answers = await Promise.all([authorized(ask()), authorized(ask()), authorized(ask())])
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(asked.filter((line) => line.startsWith('/v1/auth/refresh'))).toHaveLength(1)
  })

  test('the request is repeated with its body', async () => {
    const { authorized, setToken } = await fresh()
    const bodies: string[] = []
    serve(async (request) => {
      if (isRefresh(request)) return session('new')
      bodies.push(await request.text())
      return bodies.length === 1 ? refused() : Response.json({})
    })
    setToken('old')
    await authorized(new Request('http://127.0.0.1/v1/jobs', { method: 'POST', body: '{"image":"busybox"}' }))
    expect(bodies).toEqual(['{"image":"busybox"}', '{"image":"busybox"}'])
  })

  test('without a session it is over, and is said so', async () => {
    const { authorized, onSessionOver, setToken } = await fresh()
    const asked = serve(refused)
    const over = vi.fn()
    onSessionOver(over)
    setToken('old')
    expect((await authorized(ask())).status).toBe(401)
    expect(over).toHaveBeenCalledOnce()
    expect(asked).toHaveLength(2)
  })

  test('a server that cannot be reached does not end the session', async () => {
    const { authorized, onSessionOver, setToken } = await fresh()
    serve((request) => {
      if (isRefresh(request)) throw new TypeError('no network')
      return refused()
    })
    const over = vi.fn()
    onSessionOver(over)
    setToken('old')
    await expect(authorized(ask())).rejects.toThrow('no network')
    expect(over).not.toHaveBeenCalled()
  })
})

test('a wrong password is no expired session', async () => {
  const { authorized } = await fresh()
  const asked = serve(refused)
  await authorized(new Request('http://127.0.0.1/v1/auth/login', { method: 'POST', body: '{}' }))
  expect(asked).toEqual(['/v1/auth/login'])
})
