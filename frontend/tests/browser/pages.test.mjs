// What a person does, in a real browser against the real stack. `npm run browser`, after `npm run build`.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { admin, call, open, register, shots, startBrowser, startStack, status, submitHere, tokenOf } from './stack.mjs'

let stack
let browser
let page

before(async () => {
  stack = await startStack()
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
const lines = async () => (await page.locator('[data-test=log] .text').allTextContents()).join('\n')

test('register, submit, live log, succeeded, cost', async () => {
  page = await open(browser, stack.api)
  await page.goto('/register')
  await page.fill('#email', 'first@example.com')
  await page.fill('#password', 'short')
  await page.click('button[type=submit]')
  await page.waitForSelector('#password-error')
  await shot('register')
  await register(page, 'first@example.com')
  await page.waitForSelector('[data-test=first-job]')
  await shot('overview-empty')

  await page.goto('/jobs/new')
  await page.waitForSelector('[data-test=estimate]')
  await page.fill('#image', 'busybox')
  await page.fill('#script', 'printf "\\033[32mgreen\\033[0m line\\n"; echo "::progress 0.5 half"; sleep 5; echo "the end"')
  await shot('submit')
  await page.click('[data-test=submit]')
  await status(page, 'running')
  // The line is there while the job still runs: it was pushed or read, not fetched at the end
  await page.waitForFunction(() => document.querySelector('[data-test=log] .text')?.textContent === 'green line')
  assert.equal(await page.locator('[data-test=job-status] [data-status=running]').count(), 1)
  assert.equal(await page.locator('.ansi-green').first().textContent(), 'green')
  await shot('job-running')
  await status(page, 'succeeded')
  await page.waitForFunction(() => document.querySelector('[data-test=log]')?.textContent.includes('the end'))
  await page.waitForSelector('[data-test=cost][data-final=true]', { timeout: 60_000 })
  assert.match(await page.textContent('[data-test=cost]'), /^\$0\.\d+/)
  assert.equal((await lines()).split('\n').length, 3)
  await shot('job-succeeded')
  for (const tab of ['timeline', 'gpu', 'attempts', 'spec']) {
    await page.click(`#tab-${tab}`)
    await page.waitForTimeout(300)
    await shot(`job-${tab}`)
  }
  await page.click('#tab-timeline')
  assert.match(await page.textContent('[data-test=timeline]'), /Instance created/)
})

test('a running job is cancelled', async () => {
  page = await open(browser, stack.api)
  await register(page)
  await submitHere(page, 'echo started; sleep 300')
  await status(page, 'running')
  await page.click('[data-test=cancel]')
  await page.click('.el-message-box .el-button--primary')
  await status(page, 'cancelled')
  await page.goto('/jobs?status=cancelled')
  assert.equal(await page.locator('[data-test=job-row]').count().then((count) => count || page.waitForSelector('[data-test=job-row]').then(() => 1)), 1)
})

test('names, tags, logs and reasons are text, whatever is in them', async () => {
  page = await open(browser, stack.api)
  const email = await register(page)
  const evil = '<img src=x onerror=alert(1)><script>alert(2)</script>'
  await submitHere(page, `echo '${evil}'; echo '"><svg onload=alert(3)>'; exit 3`, { name: evil })
  await status(page, 'failed')
  await page.waitForFunction((text) => document.querySelector('[data-test=log]')?.textContent.includes(text), evil)
  assert.equal(await page.textContent('[data-test=job-name]'), evil)
  const token = await tokenOf(stack.api, email)
  await call(stack.api, '/v1/jobs', {
    method: 'POST',
    token,
    body: { name: evil, description: evil, image: 'busybox', command: ['echo', evil], env: { A: evil }, tags: { note: evil }, metadata: { evil } },
  })
  for (const path of ['/jobs', '/', page.url()]) {
    await page.goto(path)
    await page.waitForFunction((text) => document.body.textContent.includes(text), evil)
    await page.waitForTimeout(200)
    assert.equal(await page.locator('main img, main svg[onload], main script').count(), 0)
  }
})

test('the language is switched, and stays', async () => {
  page = await open(browser, stack.api)
  await register(page)
  await page.click('[data-test=language]')
  await page.waitForFunction(() => document.querySelector('h1')?.textContent === '概览')
  await shot('overview-zh')
  await page.reload()
  await page.waitForFunction(() => document.querySelector('h1')?.textContent === '概览')
  assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN')
  assert.deepEqual((await page.evaluate(() => Object.keys(localStorage))).filter((key) => !/^gpu\.(language|theme|utc|log\.wrap)$/.test(key)), [])
})

test('a session that is over leads to the sign-in page and back', async () => {
  page = await open(browser, stack.api)
  const email = await register(page)
  await page.goto('/settings?tab=keys')
  await page.waitForSelector('[data-test=create-key]')
  // The access token is refused and the cookie is gone: nothing is left of the session
  await page.context().clearCookies()
  await page.route('**/v1/me/api-keys', (route) => route.fulfill({ status: 401, body: '{}' }))
  await page.fill('#key-name', 'one')
  await page.click('[data-test=create-key]')
  await page.waitForSelector('[data-test=expired]')
  await shot('session-expired')
  await page.unroute('**/v1/me/api-keys')
  await page.fill('#email', email)
  await page.fill('#password', 'fake-password-1')
  await page.click('button[type=submit]')
  await page.waitForSelector('[data-test=create-key]')
  assert.match(page.url(), /settings\?tab=keys$/)
})

test('a connection that is cut is resumed, with every line and every event once', async () => {
  page = await open(browser, stack.api)
  const sockets = []
  await page.routeWebSocket(/\/ws/, (route) => {
    const server = route.connectToServer()
    sockets.push({ route, server })
  })
  await register(page)
  await submitHere(page, 'for n in 1 2 3 4 5 6 7 8 9; do echo "line $n"; sleep 1; done')
  await status(page, 'running')
  await page.context().setOffline(true)
  for (const { route } of sockets) await route.close()
  await page.waitForSelector('[data-test=connection]:not([data-state=live])')
  await page.waitForTimeout(4000)
  await shot('job-reconnecting')
  await page.context().setOffline(false)
  await page.waitForSelector('[data-test=connection][data-state=live]', { timeout: 40_000 })
  await status(page, 'succeeded')
  await page.waitForFunction(() => document.querySelector('[data-test=log]')?.textContent.includes('line 9'))
  assert.equal(await lines(), Array.from({ length: 9 }, (_, index) => `line ${index + 1}`).join('\n'))
  await page.click('#tab-timeline')
  const events = await page.locator('[data-test=timeline] strong').allTextContents()
  assert.deepEqual(events, ['Submitted', 'Provisioning', 'Instance created', 'Running', 'Attempt ended', 'Ended'])
})

test('where WebSockets are blocked the page polls', async () => {
  page = await open(browser, stack.api)
  await page.routeWebSocket(/\/ws/, (route) => route.close())
  await page.goto('/register')
  await page.fill('#email', 'polling@example.com')
  await page.fill('#password', 'fake-password-1')
  await page.click('button[type=submit]')
  await page.waitForSelector('[data-test=connection][data-state=polling]', { timeout: 30_000 })
  await submitHere(page, 'echo polled; sleep 2; echo done')
  await status(page, 'succeeded')
  await page.waitForFunction(() => document.querySelector('[data-test=log]')?.textContent.includes('done'))
  assert.equal(await lines(), 'polled\ndone')
})

test('an administrator sees the users', async () => {
  page = await open(browser, stack.api)
  await register(page, admin)
  await page.goto('/admin')
  await page.waitForSelector('[data-test=users]')
  assert.match(await page.textContent('[data-test=users]'), /first@example\.com/)
  await shot('admin')
})
