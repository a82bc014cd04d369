// Workflows in a real browser against the real stack: written, run, watched, resumed, compared, scheduled, shared.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import { after, afterEach, before, test } from 'node:test'
import { call, open, register, shots, startBrowser, startStack, tokenOf } from './stack.mjs'

let stack
let browser
let page

before(async () => {
  stack = await startStack({ LoopbackWebhooks: 'true' })
  browser = await startBrowser()
})
after(async () => {
  await browser?.close()
  await stack?.stop()
})
afterEach(async () => {
  const trouble = page?.trouble ?? []
  await page?.context().close()
  page = undefined
  assert.deepEqual(trouble, [])
})

const shot = (name) => page.screenshot({ path: `${shots}/${name}.png` })
const runStatus = (word) => page.waitForSelector(`[data-test=run-status] [data-status=${word}]`, { timeout: 90_000 })
const box = (node, status) => page.waitForSelector(`[data-test=graph-box][data-node="${node}"][data-status=${status}]`, { timeout: 90_000 })
const checked = (valid) => page.waitForSelector(`[data-test=check][data-valid=${valid}]`)
const job = (script, env = {}) => `job: ${JSON.stringify({ image: 'busybox', command: ['sh', '-c', script], env })}`

const epochs = { EPOCHS: '${{ params.epochs }}' }

/** A flow of two jobs; the first one waits a little and gives what it was told, the second one fails if that is too small. */
const flow = (name = 'train-and-tell') => `name: ${name}
params:
  epochs: {type: integer, minimum: 1, default: 1, description: How long to train}
nodes:
  train:
    ${job('sleep 1; echo epochs $EPOCHS; echo "{\\"loss\\": 0.5}" > $GPU_OUTPUT', epochs)}
  tell:
    depends_on: [train]
    ${job('test "$EPOCHS" -gt 1 || { echo too few >&2; exit 3; }', epochs)}
`

async function write(text) {
  await page.goto('/workflows/new')
  await page.fill('[data-test=code]', text)
  await checked(true)
}

async function save() {
  await page.click('[data-test=save]')
  await page.waitForSelector('[data-test=workflow-name]')
  return page.url().split('/').at(-1)
}

async function start(values = {}) {
  await page.click('[data-test=start]')
  await page.waitForSelector('[data-test=start-run]')
  for (const [name, value] of Object.entries(values)) await page.fill(`#param-${name}`, value)
  await page.click('[data-test=start-run]')
  await page.waitForSelector('[data-test=run-name]')
  return page.url().split('/').at(-1)
}

/** As the API takes it: tests that are about runs do not write in the editor. */
async function made(token, definition) {
  return (await call(stack.api, '/v1/workflows', { method: 'POST', token, body: typeof definition === 'string' ? { yaml: definition } : { definition } })).id
}

test('a workflow is written, an error is shown at its line, it runs, and its graph turns green', async () => {
  page = await open(browser, stack.api)
  await register(page)
  await page.goto('/workflows')
  await page.waitForSelector('[data-test=first-workflow]')
  await shot('workflows-empty')
  await page.goto('/workflows/new')
  // What it begins with is valid
  await checked(true)
  await page.waitForSelector('[data-test=graph-box][data-node=publish]')
  await shot('editor-new')
  const text = flow()
  await page.fill('[data-test=code]', text.replace('[train]', '[trian]'))
  await checked(false)
  const line = text.split('\n').findIndex((one) => one.includes('depends_on')) + 1
  assert.match(await page.textContent('[data-test=faults]'), new RegExp(`Line ${line}.*trian`, 's'))
  assert.equal(await page.locator('.gutter .wrong').textContent(), String(line))
  await shot('editor-error')
  assert.equal(await page.locator('[data-test=save]').isDisabled(), true)
  await page.fill('[data-test=code]', text)
  await checked(true)
  // The graph leads to the text
  await page.click('[data-test=graph-box][data-node=tell] button')
  assert.equal(await page.evaluate(() => document.activeElement.value.slice(document.activeElement.selectionStart, document.activeElement.selectionEnd)), '  tell:')
  await save()

  await page.click('[data-test=start]')
  await page.waitForSelector('#param-epochs')
  await page.fill('#param-epochs', '0')
  await page.click('[data-test=start-run]')
  await page.waitForSelector('#param-epochs-error')
  await shot('start-run')
  await page.fill('#param-epochs', '2')
  await page.click('[data-test=start-run]')
  await page.waitForSelector('[data-test=run-name]')
  await box('train', 'running')
  await shot('run-running')
  await box('train', 'succeeded')
  await runStatus('succeeded')
  await box('tell', 'succeeded')
  await page.click('[data-test=graph-box][data-node=train] button')
  await page.waitForFunction(() => document.querySelector('[data-test=node-panel]')?.textContent.includes('0.5'))
  await shot('run-succeeded')
  await page.click('#tab-timeline')
  assert.equal(await page.locator('[data-test=gantt] .bar').count(), 2)
  await shot('run-timeline')
  await page.click('#tab-path')
  await page.waitForFunction(() => document.querySelectorAll('[data-test=critical-path] li').length === 2)
  await page.click('#tab-params')
  assert.match(await page.textContent('#pane-params'), /"epochs": 2/)
  await page.click('[data-test=node-log]')
  await page.waitForFunction(() => document.querySelector('[data-test=log]')?.textContent.includes('epochs 2'))
})

test('a node fails; the run is resumed with another parameter, and both are compared', async () => {
  page = await open(browser, stack.api)
  await register(page)
  await write(flow('fails-first'))
  await save()
  const first = await start()
  await runStatus('failed')
  await box('tell', 'failed')
  await page.click('[data-test=graph-box][data-node=tell] button')
  assert.match(await page.textContent('[data-test=node-reason]'), /3/)
  await shot('run-failed')
  await page.click('[data-test=resume]')
  await page.waitForSelector('#param-epochs')
  await page.fill('#param-epochs', '4')
  await page.click('[data-test=change-run]')
  await page.waitForURL((url) => url.pathname.startsWith('/runs/run_') && !url.pathname.endsWith(first))
  await runStatus('succeeded')
  await box('tell', 'succeeded')
  await shot('run-resumed')
  const second = page.url().split('/').at(-1).split('?')[0]
  await page.goto(`/runs/${second}/compare`)
  await page.waitForSelector('[data-test=compare]')
  assert.equal(await page.inputValue('[data-test=compare-with]'), first)
  assert.match(await page.textContent('main'), /epochs\s*1\s*4/)
  assert.match(await page.textContent('main'), /Failed\s*Succeeded/)
  await shot('run-compare')
})

test('one node is retried with everything behind it, and the others keep their outputs', async () => {
  page = await open(browser, stack.api)
  const email = await register(page)
  const token = await tokenOf(stack.api, email)
  const id = await made(token, flow('retried'))
  await call(stack.api, `/v1/workflows/${id}/runs`, { method: 'POST', token, body: { params: { epochs: 2 } } })
  await page.goto('/runs')
  await page.waitForSelector('[data-test=run-row] [data-status=succeeded]', { timeout: 90_000 })
  await page.click('[data-test=run-row] a')
  await box('tell', 'succeeded')
  await page.click('[data-test=graph-box][data-node=tell] button')
  await page.click('[data-test=retry-node]')
  const before = page.url()
  await page.click('.el-message-box .el-button--primary')
  await page.waitForFunction((old) => location.pathname !== new URL(old).pathname, before)
  await runStatus('succeeded')
  await page.goto(`${page.url().split('?')[0]}?node=train`)
  await page.waitForSelector('[data-test=node-panel]')
  assert.match(await page.textContent('[data-test=node-panel]'), /Kept from/)
})

test('a map shows its progress; cancelling the run ends its jobs', async () => {
  page = await open(browser, stack.api)
  const email = await register(page)
  const token = await tokenOf(stack.api, email)
  const id = await made(token, `name: sweep
failure_policy: finish_what_can
nodes:
  sweep:
    map:
      over: [0, 0, 600]
      max_parallel: 2
      node:
        ${job('sleep "${{ item }}"')}
`)
  await page.goto(`/workflows/${id}`)
  await start()
  await page.waitForFunction(() => document.querySelector('[data-node=sweep]')?.textContent.includes('2/3'), undefined, { timeout: 90_000 })
  await page.click('[data-test=graph-box][data-node=sweep] button')
  await page.waitForFunction(() => document.querySelectorAll('[data-test=items] tbody tr').length === 3)
  await shot('run-map')
  await page.click('[data-test=cancel-run]')
  await page.click('.el-message-box .el-button--primary')
  await runStatus('cancelled')
  await page.goto('/runs?status=cancelled')
  await page.waitForSelector('[data-test=run-row] [data-status=cancelled]')
  await page.click('button[aria-pressed=true]:has-text("Cancelled")')
  await page.waitForURL((url) => !url.searchParams.has('status'))
})

test('a version is saved, compared with the one before, and brought back', async () => {
  page = await open(browser, stack.api)
  const email = await register(page)
  const id = await made(await tokenOf(stack.api, email), flow('versions'))
  await page.goto(`/workflows/${id}/edit`)
  await page.waitForSelector('[data-test=code]')
  await page.fill('[data-test=code]', flow('versions').replace('default: 1', 'default: 7'))
  await checked(true)
  await page.fill('input.note', 'longer')
  await save()
  await page.click('#tab-versions')
  await page.waitForFunction(() => document.querySelectorAll('[data-test=versions] tbody tr').length === 2)
  await page.click('[data-test=compare-versions]')
  await page.waitForSelector('[data-test=diff] .added')
  assert.match(await page.textContent('[data-test=diff] .added'), /default: 7/)
  assert.match(await page.textContent('[data-test=diff] .removed'), /default: 1/)
  await shot('versions')
  await page.click('button[aria-label="Bring back v1"]')
  await page.click('.el-message-box .el-button--primary')
  await page.waitForFunction(() => document.querySelectorAll('[data-test=versions] tbody tr').length === 3)
})

test('a schedule shows its next slots in its zone, is refused if it is no schedule, and is paused', async () => {
  page = await open(browser, stack.api)
  const email = await register(page)
  const id = await made(await tokenOf(stack.api, email), flow('nightly'))
  await page.goto(`/workflows/${id}?tab=schedules`)
  await page.click('[data-test=new-schedule]')
  await page.fill('#cron', '61 3 * * *')
  await page.selectOption('#zone', 'Asia/Shanghai')
  await page.selectOption('#overlap', 'queue')
  await page.click('[data-test=save-schedule]')
  await page.waitForSelector('#cron-error')
  await page.fill('#cron', '30 3 * * *')
  await page.click('[data-test=save-schedule]')
  await page.waitForSelector('[data-test=schedule]')
  assert.deepEqual((await page.locator('.fires li').allTextContents()).map((text) => text.slice(11)), Array(5).fill('03:30 GMT+8'))
  await shot('schedules')
  await page.click('[data-test=turn-schedule]')
  await page.waitForFunction(() => document.querySelector('[data-test=schedule]')?.textContent.includes('None while it is paused'))
  await page.click('[data-test=pause]')
  await page.waitForFunction(() => document.querySelector('[data-test=workflow-state]')?.textContent.includes('Paused'))
  assert.equal(await page.locator('[data-test=start]').isDisabled(), true)
})

test('a workflow is shared, and somebody else makes one out of it', async () => {
  page = await open(browser, stack.api)
  const email = await register(page)
  const id = await made(await tokenOf(stack.api, email), flow('shared-flow'))
  await page.goto(`/workflows/${id}`)
  await page.selectOption('select.share', 'public')
  await page.click('.el-message-box .el-button--primary')
  await page.waitForFunction(() => !document.querySelector('.el-message-box'))
  const other = await open(browser, stack.api)
  await register(other)
  await other.goto('/workflows?tab=templates')
  await other.locator('[data-test=template]', { hasText: 'shared-flow' }).locator('[data-test=use-template]').click()
  await other.waitForSelector('#default-epochs')
  await other.fill('#default-epochs', '5')
  await other.fill('#template-name', 'mine')
  await other.screenshot({ path: `${shots}/template.png` })
  await other.click('[data-test=instantiate]')
  await other.waitForSelector('[data-test=workflow-name]')
  assert.equal(await other.textContent('[data-test=workflow-name]'), 'mine')
  await other.click('[data-test=start]')
  await other.waitForSelector('#param-epochs')
  assert.equal(await other.inputValue('#param-epochs'), '5')
  assert.deepEqual(other.trouble, [])
  await other.context().close()
})

test('an endpoint is made, tested, told of the end of a run, and its messages are signed with the secret that was shown once', async () => {
  const heard = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part) => (body += part))
    request.on('end', () => {
      heard.push({ headers: request.headers, body })
      // The first one is refused, so that there is something to send again
      response.writeHead(heard.length === 1 ? 503 : 204)
      response.end()
    })
  })
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
  const url = `http://127.0.0.1:${server.address().port}/hook`
  page = await open(browser, stack.api)
  const email = await register(page)
  const token = await tokenOf(stack.api, email)
  await page.goto('/settings?tab=notifications')
  await page.click('[data-test=new-endpoint]')
  await page.fill('#endpoint-url', 'nothing')
  await page.click('[data-test=save-endpoint]')
  await page.waitForSelector('#endpoint-url-error')
  await page.fill('#endpoint-url', url)
  await page.click('input[value="job.ended"]')
  await page.click('[data-test=save-endpoint]')
  const secret = (await page.textContent('[data-test=endpoint-secret] pre')).trim()
  assert.match(secret, /^whsec_/)
  await page.click('[data-test=test-endpoint]')
  await page.waitForSelector('[data-test=delivery][data-state=failed]')
  await page.click('[data-test=delivery] summary')
  assert.match(await page.textContent('[data-test=tries]'), /503/)
  await page.click('[data-test=redeliver]')
  await page.waitForSelector('[data-test=delivery][data-state=delivered]')
  await shot('notifications')
  const { headers, body } = heard[1]
  const signed = createHmac('sha256', Buffer.from(secret.slice('whsec_'.length), 'base64')).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`).digest('base64')
  assert.ok(headers['webhook-signature'].split(' ').includes(`v1,${signed}`))
  assert.equal(headers['webhook-id'], heard[0].headers['webhook-id'])

  const id = await made(token, `name: told\nnodes:\n  only:\n    ${job('true')}\n`)
  await call(stack.api, `/v1/workflows/${id}/runs`, { method: 'POST', token, body: {} })
  await page.waitForFunction(() => [...document.querySelectorAll('[data-test=delivery][data-state=delivered]')].some(({ textContent }) => textContent.includes('run.ended')), undefined, { timeout: 90_000 })
  assert.equal(JSON.parse(heard.at(-1).body).type, 'run.ended')
  // The secret is gone with the page
  await page.reload()
  await page.waitForSelector('[data-test=endpoint]')
  assert.equal(await page.locator('[data-test=endpoint-secret]').count(), 0)
  assert.ok(!(await page.content()).includes(secret))
  server.close()
})

test('a connection that is cut during a run is resumed: every event once, and the graph is right', async () => {
  page = await open(browser, stack.api)
  const sockets = []
  await page.routeWebSocket(/\/ws/, (route) => {
    route.connectToServer()
    sockets.push(route)
  })
  const email = await register(page)
  const id = await made(await tokenOf(stack.api, email), `name: chain
nodes:
${['one', 'two', 'three', 'four'].map((name, index, all) => `  ${name}:\n${index > 0 ? `    depends_on: [${all[index - 1]}]\n` : ''}    ${job('sleep 2')}\n`).join('')}`)
  await page.goto(`/workflows/${id}`)
  await start()
  await box('one', 'running')
  await page.context().setOffline(true)
  for (const route of sockets) await route.close()
  await page.waitForSelector('[data-test=connection]:not([data-state=live])')
  await page.waitForTimeout(8000)
  await page.context().setOffline(false)
  await page.waitForSelector('[data-test=connection][data-state=live]', { timeout: 40_000 })
  await runStatus('succeeded')
  await box('four', 'succeeded')
  await page.click('#tab-events')
  const numbers = (await page.locator('[data-test=run-events] .seq').allTextContents()).map(Number).reverse()
  assert.deepEqual(numbers, numbers.map((_, index) => index + 1))
  assert.ok(numbers.length >= 10, `${numbers.length} events`)
})

test('names, reasons and outputs of workflows are text, whatever is in them', async () => {
  page = await open(browser, stack.api)
  const email = await register(page)
  const token = await tokenOf(stack.api, email)
  const evil = '<img src=x onerror=alert(1)>'
  const id = await made(token, {
    name: evil,
    description: evil,
    params: { note: { type: 'string', default: evil, description: evil } },
    nodes: { say: { description: evil, job: { name: evil, image: 'busybox', command: ['sh', '-c', `printf '{"x": "${evil}"}' > $GPU_OUTPUT`] } }, then: { depends_on: [{ node: 'say', if: `nodes.say.output.x == '${evil}'` }], job: { image: 'busybox', command: ['true'] } } },
  })
  const run = (await call(stack.api, `/v1/workflows/${id}/runs`, { method: 'POST', token, body: { name: evil } })).id
  await page.goto(`/runs/${run}?node=say`)
  await runStatus('succeeded')
  for (const path of [`/runs/${run}?node=say`, `/runs/${run}?tab=params`, '/runs', '/workflows', `/workflows/${id}`, `/workflows/${id}?tab=graph`, `/workflows/${id}/edit`, `/runs/${run}/compare`, '/workflows?tab=templates']) {
    await page.goto(path)
    await page.waitForFunction(() => document.querySelector('h1') && !document.querySelector('.el-skeleton'))
    await page.waitForTimeout(300)
    assert.equal(await page.locator('main img, main script').count(), 0, path)
  }
})

test('a graph of 500 nodes is drawn, and many nodes alike are one box', async () => {
  page = await open(browser, stack.api)
  const email = await register(page)
  const token = await tokenOf(stack.api, email)
  const nodes = { first: { job: { image: 'busybox', command: ['true'] } } }
  for (let number = 0; number < 200; number++) nodes[`alike_${number}`] = { depends_on: ['first'], job: { image: 'busybox', command: ['true'] } }
  // Layers of ten, each node behind two of the layer before
  for (let number = 0; number < 299; number++) {
    const before = Math.floor(number / 10) - 1
    const waits = before < 0 ? ['first'] : [`n_${before * 10 + ((number * 7) % 10)}`, `n_${before * 10 + ((number * 7 + 3) % 10)}`]
    nodes[`n_${number}`] = { depends_on: waits, job: { image: 'busybox', command: ['true'] } }
  }
  const id = await made(token, { name: 'large', nodes })
  await page.goto(`/workflows/${id}?tab=graph`)
  await page.waitForFunction(() => document.querySelectorAll('[data-test=graph-box]').length === 301)
  await page.waitForFunction(() => Number(document.querySelector('[data-test=graph-lines]')?.dataset.count) > 500)
  await shot('graph-500')
  await page.click('[data-node="fold:alike_0"] button')
  await page.waitForFunction(() => document.querySelectorAll('[data-test=graph-box]').length === 500)
})
