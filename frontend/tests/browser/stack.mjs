// The real stack and a real browser. GPU_LOCAL names the stack's program, if it is not target/debug/local.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const root = resolve(fileURLToPath(import.meta.url), '../../../..')
export const shots = resolve(root, 'target/browser')
export const admin = 'admin@example.com'
export const password = 'fake-password-1'

export async function startStack(parameters = {}, more = []) {
  const program = resolve(root, process.env.GPU_LOCAL ?? 'target/debug/local')
  if (!existsSync(program)) throw new Error(`${program} is missing: scripts/start_backend.sh builds it`)
  const options = ['--port', '0', '--memory', '--functions-dir', dirname(program)]
  options.push('--template', process.env.GPU_TEMPLATE ?? 'infra/template.yaml', '--frontend', 'frontend/dist')
  for (const [name, value] of Object.entries({ FirstAdminEmail: admin, ...parameters })) options.push('--parameter', `${name}=${value}`)
  options.push(...more)
  const stack = spawn(program, options, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
  const ready = await new Promise((found, failed) => {
    stack.once('exit', (code) => failed(new Error(`the stack ended with ${code}`)))
    createInterface({ input: stack.stdout }).on('line', (line) => line.startsWith('ready ') && found(JSON.parse(line.slice(6))))
  })
  const ended = new Promise((done) => stack.once('exit', done))
  return {
    ...ready,
    /** Tells a simulated cloud what to do, or asks what it has. */
    async sim(cloud, path, body) {
      const response = await fetch(`${ready.clouds[cloud]}/_sim/${path}`, body ? { method: 'POST', body: JSON.stringify(body) } : {})
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
      return response.json()
    },
    async stop() {
      stack.kill('SIGTERM')
      await ended
    },
  }
}

export async function startBrowser() {
  mkdirSync(shots, { recursive: true })
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] })
}

/** A page that remembers what went wrong in it: scripts that failed, and what the Content-Security-Policy refused. */
export async function open(browser, base, options = {}) {
  const context = await browser.newContext({ baseURL: base, viewport: { width: 1280, height: 860 }, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  page.trouble = []
  page.on('pageerror', (error) => page.trouble.push(`script: ${error.message}`))
  page.on('dialog', (dialog) => {
    page.trouble.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('console', (message) => {
    const expected = /Failed to load resource/.test(message.text())
    if (['error', 'warning'].includes(message.type()) && !expected) page.trouble.push(`${message.type()}: ${message.text()}`)
  })
  return page
}

let people = 0

export async function register(page, email = `person-${++people}@example.com`) {
  await page.goto('/register')
  await page.fill('#email', email)
  await page.fill('#password', password)
  await page.click('button[type=submit]')
  await page.waitForSelector('[data-test=account]')
  await page.waitForSelector('[data-test=connection][data-state=live]')
  return email
}

export async function signIn(page, email) {
  await page.goto('/signin')
  await page.fill('#email', email)
  await page.fill('#password', password)
  await page.click('button[type=submit]')
  await page.waitForSelector('[data-test=connection][data-state=live]')
}

/** Calls the API as the page's user. */
export async function call(base, path, { method = 'GET', body, token } = {}) {
  const response = await fetch(base + path, {
    method,
    headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return text === '' ? null : JSON.parse(text)
}

export async function tokenOf(base, email) {
  return (await call(base, '/v1/auth/login', { method: 'POST', body: { email, password } })).access_token
}

export async function submitHere(page, script, { image = 'busybox', name } = {}) {
  await page.goto('/jobs/new')
  await page.fill('#image', image)
  await page.fill('#script', script)
  if (name) await page.fill('#name', name)
  await page.click('[data-test=submit]')
  await page.waitForSelector('[data-test=job-name]')
  return page.url().split('/').at(-1)
}

export const status = (page, word) => page.waitForSelector(`[data-test=job-status] [data-status=${word}]`, { timeout: 60_000 })
