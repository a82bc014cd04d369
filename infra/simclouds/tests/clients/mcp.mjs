// The official MCP server, spoken to over stdio, uses REST v2 from creation to deletion.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)
const server = dirname(require.resolve('@runpod/mcp-server/package.json'))
const sdk = createRequire(join(server, 'package.json'))
const load = async (name) => import(pathToFileURL(sdk.resolve(name)))
const { Client } = await load('@modelcontextprotocol/sdk/client/index.js')
const { StdioClientTransport } = await load('@modelcontextprotocol/sdk/client/stdio.js')

const { PATH, HOME, RUNPOD_API_BASE_URL, RUNPOD_API_KEY } = process.env

async function connect(key) {
  const client = new Client({ name: 'simclouds', version: '0' })
  const env = { PATH, HOME, RUNPOD_API_BASE_URL, RUNPOD_API_KEY: key }
  const args = [join(server, 'dist/stdio.mjs')]
  await client.connect(new StdioClientTransport({ command: process.execPath, args, env, stderr: 'ignore' }))
  return client
}

const client = await connect(RUNPOD_API_KEY)

async function raw(name, args, through = client) {
  const result = await through.callTool({ name, arguments: args })
  return { error: result.isError === true, value: JSON.parse(result.content[0].text) }
}

async function call(name, args) {
  const { error, value } = await raw(name, args)
  assert.ok(!error, `${name}: ${JSON.stringify(value)}`)
  return value
}

async function control(path, body) {
  const answer = await fetch(`${RUNPOD_API_BASE_URL}/_sim/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    body: body && JSON.stringify(body),
  })
  assert.equal(answer.status, 200, path)
  return answer.json()
}

async function until(id, status) {
  for (let n = 0; n < 400; n++) {
    const pod = await call('get-pod', { id })
    if (pod.status === status) return pod
    await new Promise((wake) => setTimeout(wake, 25))
  }
  assert.fail(`pod ${id} never became ${status}`)
}

const gpu = { id: 'NVIDIA GeForce RTX 4090', count: 1 }
const body = {
  name: 'gp-job-0001',
  image: 'docker.io/library/busybox:1.36',
  args: "sh -c 'echo hi from $GP_JOB; sleep 3600'",
  disk: 20,
  env: { GP_JOB: '0001' },
  gpu,
  cloud: 'SECURE',
  dataCenterIds: ['EU-RO-1'],
}

const catalogue = await call('list-gpu-types', {
  include: ['AVAILABILITY'], product: ['POD'], count: 1, cloud: 'SECURE',
})
assert.ok(catalogue.gpus.some((one) => one.id === gpu.id && one.availability !== 'NONE'))
const places = await call('list-data-centers', { include: ['GPU_AVAILABILITY'] })
assert.ok(places.dataCenters.some((place) => place.id === 'EU-RO-1'))

const pod = await call('create-pod', { body })
assert.equal(pod.status, 'PROVISIONING')
await until(pod.id, 'RUNNING')
assert.ok((await call('list-pods', {})).pods.some((one) => one.id === pod.id))

const logs = await call('stream-pod-logs', { podId: pod.id, tail: 50, source: 'container', maxWaitMs: 1000 })
assert.deepEqual(logs.items.map((item) => item.line), ['hi from 0001'])
const all = await call('stream-pod-logs', { podId: pod.id, since: logs.items[0].ts, maxWaitMs: 500 })
assert.equal(all.items[0].line, 'hi from 0001')

const bill = await call('list-pod-billing', { podId: pod.id, bucketSize: 'hour' })
assert.ok(Array.isArray(bill.records))

assert.equal((await call('pod-action', { id: pod.id, body: { action: 'stop' } })).status, 'EXITED')
assert.equal((await raw('pod-action', { id: pod.id, body: { action: 'restart' } })).value.status, 409)
await call('pod-action', { id: pod.id, body: { action: 'start' } })
await until(pod.id, 'RUNNING')
await call('delete-pod', { id: pod.id })
const gone = await raw('get-pod', { id: pod.id })
assert.equal(gone.value.status, 404)

// The client repeats a create call on a 429: three requests, and only the last one is done.
await control('faults', { operation: 'create', mode: 'throttle', times: 2 })
const repeated = await call('create-pod', { body: { ...body, name: 'throttled' } })
assert.equal((await control('pods')).created.throttled, 1)
await call('delete-pod', { id: repeated.id })
await control('faults', { operation: 'create', mode: 'no_capacity' })
const full = await raw('create-pod', { body })
assert.ok(full.error && full.value.status === 400, JSON.stringify(full))

const stranger = await connect('rpa_WRONG')
const refused = await raw('list-pods', {}, stranger)
assert.ok(refused.error && refused.value.status === 401, JSON.stringify(refused))
await stranger.close()
await client.close()
console.log('npm @runpod/mcp-server: ok')
