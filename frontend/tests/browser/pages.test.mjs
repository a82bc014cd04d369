// What a person does, in a real browser against the real stack. `npm run browser`, after `npm run build`.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { admin, call, open, password, register, shots, signIn, startBrowser, startStack, status, submitHere, tokenOf } from './stack.mjs'

let stack
let browser
let page
let made = false

/** The first administrator's account, made once. */
async function makeAdmin() {
  if (!made) await call(stack.api, '/v1/auth/register', { method: 'POST', body: { email: admin, password } })
  made = true
  return admin
}

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
  const here = page.url()
  await call(stack.api, '/v1/me', { method: 'PATCH', token, body: { first_name: evil, organization: evil } })
  await call(stack.api, '/v1/me/api-keys', { method: 'POST', token, body: { name: '<img src=x onerror=alert(1)>' } })
  const paths = ['/jobs', '/', '/costs', here, `${here}?tab=timeline`, `${here}?tab=attempts`, `${here}?tab=spec`, `${here}?tab=placement`, `/jobs/new?clone=${here.split('/').at(-1)}`, '/settings', '/settings?tab=keys', `/jobs?name=${encodeURIComponent(evil)}`]
  for (const path of paths) {
    await page.goto(path)
    await page.waitForFunction(() => [document.body.textContent, ...[...document.querySelectorAll('input, textarea')].map(({ value }) => value)].join(' ').includes('<img src=x onerror=alert(1)>'))
    await page.waitForTimeout(200)
    assert.equal(await page.locator('main img, main svg[onload], main script').count(), 0, path)
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
  await submitHere(page, 'for n in $(seq 1 16); do echo "line $n"; sleep 1; done')
  await status(page, 'running')
  await page.context().setOffline(true)
  for (const { route } of sockets) await route.close()
  await page.waitForSelector('[data-test=connection]:not([data-state=live])')
  await page.waitForTimeout(10_000)
  await shot('job-reconnecting')
  await page.context().setOffline(false)
  await page.waitForSelector('[data-test=connection][data-state=live]', { timeout: 40_000 })
  await status(page, 'succeeded')
  await page.waitForFunction(() => document.querySelector('[data-test=log]')?.textContent.includes('line 16'))
  assert.equal(await lines(), Array.from({ length: 16 }, (_, index) => `line ${index + 1}`).join('\n'))
  await page.click('#tab-timeline')
  await page.waitForSelector('[data-test=timeline] li')
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

test('an offer that is sold out is passed over, and the page shows by which', async () => {
  page = await open(browser, stack.api)
  await register(page)
  // The first one that the ranking would take is sold out without the catalogue saying so
  await stack.sim('runpod', 'faults', { operation: 'create', mode: 'no_capacity' })
  await page.goto('/jobs/new')
  await page.fill('#image', 'busybox')
  await page.fill('#script', 'echo there; sleep 600')
  await page.click('summary:has-text("vCPUs"), .el-collapse-item__header')
  await page.fill('#forbiddenProviders', 'alibaba, tencent')
  await page.click('[data-test=submit]')
  await status(page, 'running')
  await page.click('[data-test=failovers]')
  await page.waitForSelector('[data-test=placement] [data-became=refused]')
  assert.equal(await page.locator('[data-test=placement] [data-became=taken]').count(), 1)
  assert.match(await page.textContent('[data-became=refused] .reason'), /\S/)
  await page.click('[data-test=rank-now]')
  await page.waitForSelector('[data-test=placement] [data-test=offers]')
  await shot('job-placement')
  await page.click('#tab-timeline')
  assert.match(await page.textContent('[data-test=timeline]'), /Launch refused/)
  await page.click('[data-test=cancel]')
  await page.click('.el-message-box .el-button--primary')
  await status(page, 'cancelled')
})

test('an administrator sets what a user may, and the user is told of the budget', async () => {
  page = await open(browser, stack.api)
  const email = await register(page)
  const administrator = await tokenOf(stack.api, await makeAdmin())
  const boss = await open(browser, stack.api)
  await signIn(boss, admin)
  await boss.goto('/admin')
  const row = boss.locator('tr', { hasText: email })
  await row.locator('[data-test=edit-quota]').click()
  await boss.fill('#max-jobs', '0')
  await boss.click('[data-test=save-quota]')
  await boss.waitForSelector('#max-jobs-error')
  await boss.fill('#max-jobs', '3')
  await boss.fill('#monthly-budget', '0.0001')
  await boss.click('[data-test=save-quota]')
  await boss.waitForSelector('[data-test=quota]', { state: 'detached' })
  assert.match(await row.textContent(), /3as everybody\$0\.0001/)
  await boss.click('#tab-scheduling')
  await boss.waitForSelector('[data-test=scheduling] dl')
  await boss.screenshot({ path: `${shots}/admin-scheduling.png` })
  assert.deepEqual(boss.trouble, [])
  await boss.context().close()
  const { items } = await call(stack.api, '/v1/admin/users?limit=100', { token: administrator })
  assert.equal(items.find((user) => user.email === email).max_jobs, 3)
  // One job costs more than that; the next one finds it out, and the alert is pushed
  await submitHere(page, 'sleep 2')
  await status(page, 'succeeded')
  await submitHere(page, 'true')
  await page.waitForSelector('[data-test=budget-note]')
  await shot('budget-note')
})

test('an image that is suggested is taken by a click', async () => {
  page = await open(browser, stack.api)
  await register(page)
  await page.goto('/jobs/new')
  await page.click('summary')
  await page.click('[data-test=suggestion] >> nth=0')
  assert.match(await page.inputValue('#image'), /\//)
  await page.waitForSelector('[data-test=image-hint]')
})

test('2,000 jobs in the table: a hundred rows in the page, the last one found by scrolling', async () => {
  page = await open(browser, stack.api)
  const email = await register(page)
  const id = await submitHere(page, 'echo one')
  const job = await call(stack.api, `/v1/jobs/${id}`, { token: await tokenOf(stack.api, email) })
  const jobs = Array.from({ length: 2000 }, (_, index) => ({ ...job, id: `job_${String(index).padStart(32, '0')}`, name: `job ${index}` }))
  await page.route('**/v1/jobs?*', (route) => {
    const at = Number(new URL(route.request().url()).searchParams.get('cursor') ?? 0)
    return route.fulfill({ json: { items: jobs.slice(at, at + 100), next: at + 100 < jobs.length ? String(at + 100) : null } })
  })
  await page.goto('/jobs')
  await page.waitForSelector('[data-test=job-row]')
  while (!(await page.getByText('2000 jobs', { exact: true }).count())) {
    await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight))
    await page.waitForFunction(() => window.scrollY + window.innerHeight >= document.body.scrollHeight - 400 || document.querySelector('[data-test=job-row]'))
  }
  await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight))
  await page.getByText('job 1999', { exact: true }).waitFor()
  const rows = await page.locator('[data-test=job-row]').count()
  assert.ok(rows > 5 && rows <= 100, `${rows} rows`)
  await shot('jobs-2000')
})

test('an administrator sees the users', async () => {
  page = await open(browser, stack.api)
  await makeAdmin()
  await signIn(page, admin)
  await page.goto('/admin')
  await page.waitForSelector('[data-test=users]')
  assert.match(await page.textContent('[data-test=users]'), /first@example\.com/)
  await shot('admin')
})
