// What the page has to keep up with, measured in headless Chromium: a row each, with its bar. `npm run figures`.
// The jobs, the log and the pushes are made here, between the page and the real stack: it is the page that is measured.
import { call, open, register, startBrowser, startStack, submitHere, tokenOf } from './stack.mjs'

const LINES = 100_000
const JOBS = 2_000
const PER_SECOND = 500
const NODES = 500

const stack = await startStack()
const browser = await startBrowser()
let missed = false

function row(name, bar, measured, ok) {
  missed ||= !ok
  console.log(`${name.padEnd(46)} ${bar.padStart(10)} ${measured.padStart(12)}  ${ok ? 'ok' : 'MISS'}`)
}

/** Frames a second while the element is scrolled for two seconds: the mean, and the slowest twentieth. */
const scroll = (page, selector) =>
  page.evaluate(
    (found) =>
      new Promise((done) => {
        const element = found === 'window' ? document.scrollingElement : document.querySelector(found)
        const times = []
        const step = element.scrollHeight / 400
        const start = performance.now()
        const frame = (now) => {
          times.push(now)
          element.scrollTop += step
          if (now - start < 2000) requestAnimationFrame(frame)
          else {
            const gaps = times.slice(1).map((time, index) => time - times[index]).sort((a, b) => b - a)
            done({ mean: (gaps.length * 1000) / (times.at(-1) - times[0]), slow: 1000 / gaps[Math.floor(gaps.length / 20)] })
          }
        }
        requestAnimationFrame(frame)
      }),
    selector,
  )

/** The part of the time in which the main thread ran scripts, styles or layout. */
async function busy(page, seconds) {
  const client = await page.context().newCDPSession(page)
  await client.send('Performance.enable')
  const read = async () => Object.fromEntries((await client.send('Performance.getMetrics')).metrics.map(({ name, value }) => [name, value]))
  const before = await read()
  await page.waitForTimeout(seconds * 1000)
  const after = await read()
  return (after.TaskDuration - before.TaskDuration) / (after.Timestamp - before.Timestamp)
}

try {
  const page = await open(browser, stack.api)
  let socket
  await page.routeWebSocket(/\/ws/, (route) => {
    socket = route
    route.connectToServer()
  })
  const email = await register(page, 'figures@example.com')
  const id = await submitHere(page, 'echo one')
  const token = await tokenOf(stack.api, email)
  const job = await call(stack.api, `/v1/jobs/${id}`, { token })

  let served = 0
  const text = Array.from({ length: LINES }, (_, line) => `\u001b[3${line % 8}m${String(line).padStart(6)}\u001b[0m step loss=${(line % 997) / 997} some more words to fill the line up`).join('\n') + '\n'
  const part = 1 << 20
  await page.route(`**/v1/jobs/${id}/log?*`, (route) => {
    const body = text.slice(served, served + part)
    const offset = served
    served += body.length
    return route.fulfill({ json: { attempt: 1, text: body, offset, next: `1-${served}`, dropped: 0, complete: served >= text.length } })
  })
  await page.evaluate(() => localStorage.setItem('gpu.log.wrap', 'false'))
  await page.goto(`/jobs/${id}`)
  await page.waitForFunction((lines) => document.querySelector('.foot')?.textContent.includes(`${lines} lines`), LINES, { timeout: 60_000 })
  const log = await scroll(page, '.log')
  row(`log of ${LINES} lines, scrolled: frames/s`, '>= 50', `${log.mean.toFixed(0)} (${log.slow.toFixed(0)})`, log.mean >= 50)

  const jobs = Array.from({ length: JOBS }, (_, index) => ({ ...job, id: `job_${String(index).padStart(32, '0')}`, name: `job ${index}`, status: 'running', ended_at: null, seq: 3, started_at: job.submitted_at }))
  await page.route('**/v1/jobs?*', (route) => {
    const at = Number(new URL(route.request().url()).searchParams.get('cursor') ?? 0)
    return route.fulfill({ json: { items: jobs.slice(at, at + 100), next: at + 100 < JOBS ? String(at + 100) : null } })
  })
  await page.goto('/jobs')
  await page.waitForSelector('[data-test=connection][data-state=live]')
  await page.waitForSelector('[data-test=job-row]')
  while (!(await page.getByText(`${JOBS} jobs`, { exact: true }).count())) {
    await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight))
    await page.waitForTimeout(50)
  }
  const rows = await page.locator('[data-test=job-row]').count()
  row(`table of ${JOBS} jobs: rows in the page`, '<= 100', String(rows), rows <= 100)
  await page.evaluate(() => window.scrollTo(0, 0))
  const table = await scroll(page, 'window')
  row(`table of ${JOBS} jobs, scrolled: frames/s`, '', `${table.mean.toFixed(0)} (${table.slow.toFixed(0)})`, true)

  await page.evaluate(() => window.scrollTo(0, 0))
  const idle = await busy(page, 3)
  let sent = 0
  const pusher = setInterval(() => {
    const messages = Array.from({ length: PER_SECOND / 10 }, () => {
      const seq = 4 + Math.floor(sent / JOBS)
      const job_id = jobs[sent++ % JOBS].id
      return { type: 'status', job_id, seq, at: new Date().toISOString(), status: 'running', event: { type: 'running', attempt: 1 } }
    })
    socket.send(JSON.stringify({ type: 'batch', messages }))
  }, 100)
  const load = await busy(page, 5)
  clearInterval(pusher)
  row(`${PER_SECOND} status events/s: main thread busy`, '<= 50 %', `${(load * 100).toFixed(0)} % (${(idle * 100).toFixed(0)} idle)`, load <= 0.5)

  // Layers of twenty, each node behind two of the layer before: nothing of it can be folded
  const nodes = Array.from({ length: NODES }, (_, index) => ({ id: `node_${index}`, kind: 'job', position: null }))
  const edges = nodes.slice(20).flatMap(({ id }, index) => [0, 3].map((other) => ({ from: `node_${Math.floor(index / 20) * 20 + ((index * 7 + other) % 20)}`, to: id, condition: null })))
  const made = await call(stack.api, '/v1/workflows', { method: 'POST', token, body: { definition: { name: 'one', nodes: { only: { job: { image: 'busybox', command: ['true'] } } } } } })
  const started = await call(stack.api, `/v1/workflows/${made.id}/runs`, { method: 'POST', token, body: {} })
  const [first] = (await call(stack.api, `/v1/runs/${started.id}/nodes`, { token })).items
  await page.route(`**/v1/runs/${started.id}/graph`, (route) => route.fulfill({ json: { nodes, edges, more_edges: 0 } }))
  await page.route(`**/v1/runs/${started.id}/nodes?*`, (route) => route.fulfill({ json: { items: nodes.map(({ id }, step) => ({ ...first, node: id, step })), next: null } }))
  await page.addInitScript((count) => {
    const look = () => {
      if (document.querySelectorAll('[data-test=graph-box]').length >= count.nodes && Number(document.querySelector('[data-test=graph-lines]')?.dataset.count) >= count.edges) {
        // The frame after the one in which it stood in the page has painted it
        requestAnimationFrame(() => requestAnimationFrame((now) => (globalThis.drawnAt = now)))
      } else requestAnimationFrame(look)
    }
    requestAnimationFrame(look)
  }, { nodes: NODES, edges: edges.length })
  const drawn = []
  for (let time = 0; time < 3; time++) {
    await page.goto(`/runs/${started.id}`)
    await page.waitForFunction(() => globalThis.drawnAt !== undefined)
    drawn.push(await page.evaluate(() => globalThis.drawnAt - performance.getEntriesByType('resource').find(({ name }) => name.endsWith('/graph')).responseEnd))
  }
  drawn.sort((a, b) => a - b)
  row(`graph of ${NODES} nodes and ${edges.length} edges: drawn after`, '<= 1 s', `${(drawn[1] / 1000).toFixed(2)} s (${(drawn[2] / 1000).toFixed(2)})`, drawn[1] <= 1000)
} finally {
  await browser.close()
  await stack.stop()
}
if (missed) process.exitCode = 1
