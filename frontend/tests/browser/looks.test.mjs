// Every page: no serious violation of accessibility rules, nothing wider than a phone, and a picture of it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, test } from 'node:test'
import { admin, call, open, register, shots, signIn, startBrowser, startStack, tokenOf } from './stack.mjs'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
let stack
let browser
let job
let workflow
let run

before(async () => {
  stack = await startStack()
  browser = await startBrowser()
  const page = await open(browser, stack.api)
  await register(page, admin)
  const token = await tokenOf(stack.api, admin)
  const body = { name: '训练 one', image: 'busybox', command: ['sh', '-c', 'echo hello; echo an error >&2; exit 2'], tags: { team: 'research' } }
  job = (await call(stack.api, '/v1/jobs', { method: 'POST', token, body })).id
  await call(stack.api, '/v1/jobs', { method: 'POST', token, body: { name: 'two', image: 'busybox', command: ['sleep', '600'] } })
  while (!(await call(stack.api, `/v1/jobs/${job}`, { token })).ended_at) await new Promise((go) => setTimeout(go, 200))
  workflow = (
    await call(stack.api, '/v1/workflows', {
      method: 'POST',
      token,
      body: {
        yaml: `name: 训练与评测 sweep
description: Tries learning rates and trains with the best one.
params:
  rates: {type: array, items: {type: number}, default: [0.1, 0.03, 0.01]}
  size: {enum: [small, large], default: small, description: How much data}
nodes:
  sweep:
    map:
      over: params.rates
      node: {job: {image: busybox, command: [sh, -c, 'echo {} > $GPU_OUTPUT']}}
  good: {depends_on: [sweep], condition: "params.size == 'large'"}
  train: {depends_on: [{node: sweep, if: params.rates.size() > 2}], job: {image: busybox, command: [sh, -c, 'exit 2']}}
  publish: {depends_on: [good], job: {image: busybox, command: ['true']}}
`,
        note: 'first',
      },
    })
  ).id
  await call(stack.api, `/v1/workflows/${workflow}/schedules`, { method: 'POST', token, body: { cron: '0 3 * * *', time_zone: 'Asia/Shanghai', overlap: 'queue' } })
  await call(stack.api, `/v1/workflows/${workflow}`, { method: 'PATCH', token, body: { template: 'public' } })
  run = (await call(stack.api, `/v1/workflows/${workflow}/runs`, { method: 'POST', token, body: {} })).id
  while (!(await call(stack.api, `/v1/runs/${run}`, { token })).ended_at) await new Promise((go) => setTimeout(go, 200))
  await call(stack.api, `/v1/runs/${run}/rerun`, { method: 'POST', token, body: { params: { size: 'large' } } })
  await page.context().close()
})
after(async () => {
  await browser?.close()
  await stack?.stop()
})

const pages = () => ({
  overview: '/',
  jobs: '/jobs',
  'jobs-none-match': '/jobs?name=nothing',
  submit: '/jobs/new',
  'submit-clone': `/jobs/new?clone=${job}`,
  'job-log': `/jobs/${job}`,
  'job-timeline': `/jobs/${job}?tab=timeline`,
  'job-placement': `/jobs/${job}?tab=placement`,
  'job-gpu': `/jobs/${job}?tab=gpu`,
  'job-attempts': `/jobs/${job}?tab=attempts`,
  'job-spec': `/jobs/${job}?tab=spec`,
  gpus: '/gpus',
  offers: '/gpus?tab=offers',
  workflows: '/workflows',
  templates: '/workflows?tab=templates',
  editor: '/workflows/new',
  'editor-version': `/workflows/${workflow}/edit`,
  workflow: `/workflows/${workflow}`,
  'workflow-grid': `/workflows/${workflow}?tab=grid`,
  'workflow-definition': `/workflows/${workflow}?tab=graph`,
  'workflow-schedules': `/workflows/${workflow}?tab=schedules`,
  'workflow-versions': `/workflows/${workflow}?tab=versions`,
  runs: '/runs',
  run: `/runs/${run}`,
  'run-node': `/runs/${run}?node=train`,
  'run-map': `/runs/${run}?node=sweep`,
  'run-timeline': `/runs/${run}?tab=timeline`,
  'run-path': `/runs/${run}?tab=path`,
  'run-events': `/runs/${run}?tab=events`,
  'run-params': `/runs/${run}?tab=params`,
  'run-compare': `/runs/${run}/compare`,
  costs: '/costs',
  settings: '/settings',
  keys: '/settings?tab=keys',
  secrets: '/settings?tab=secrets',
  password: '/settings?tab=password',
  notifications: '/settings?tab=notifications',
  taste: '/settings?tab=taste',
  admin: '/admin',
  'admin-budget': '/admin?tab=budget',
  'admin-scheduling': '/admin?tab=scheduling',
  providers: '/gpus?tab=providers',
  'offers-grouped': '/gpus?tab=offers&group=region',
  'not-found': '/nowhere',
})

async function signedIn(options, taste) {
  const page = await open(browser, stack.api, options)
  await page.context().addInitScript((values) => {
    for (const [key, value] of Object.entries(values)) localStorage.setItem(key, value)
  }, taste)
  await signIn(page, admin)
  return page
}

async function violations(page) {
  // The page's own Content-Security-Policy refuses scripts from elsewhere; the browser's debugger does not ask it
  await page.evaluate(axe)
  const { violations: found } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }))
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html.slice(0, 120)} ${failureSummary?.split('\n')[1] ?? ''}`).join(' | ')}`)
}

const ways = {
  'light-en': [{}, { 'gpu.theme': 'light', 'gpu.language': 'en' }],
  'dark-zh': [{}, { 'gpu.theme': 'dark', 'gpu.language': 'zh' }],
  phone: [{ viewport: { width: 375, height: 740 }, isMobile: true, hasTouch: true }, { 'gpu.theme': 'light', 'gpu.language': 'en' }],
}

for (const [way, [options, taste]] of Object.entries(ways)) {
  test(`every page, ${way}`, async () => {
    const page = await signedIn(options, taste)
    const wrong = []
    for (const [name, path] of Object.entries(pages())) {
      await page.goto(path)
      await page
        .waitForFunction(() => document.querySelector('h1') && !document.querySelector('.el-skeleton'))
        .catch(() => wrong.push(`${name}: not loaded`))
      await page.waitForTimeout(400)
      await page.screenshot({ path: `${shots}/${way}-${name}.png` })
      for (const violation of await violations(page)) wrong.push(`${name}: ${violation}`)
      const width = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      if (width > 0) wrong.push(`${name}: ${width} px wider than the window`)
    }
    assert.equal(wrong.join('\n'), '')
    assert.deepEqual(page.trouble, [])
    await page.context().close()
  })
}
