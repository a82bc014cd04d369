// What a first visit loads, in gzip bytes of JavaScript and CSS, and whether that is within the bar.
// The entry and the page's own chunk, with everything that they import at once.
import { readFile, readdir } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'

const BAR = 200 * 1000
const dist = new URL('../dist/', import.meta.url)
const manifest = JSON.parse(await readFile(new URL('.vite/manifest.json', dist), 'utf8'))
const sizes = new Map()
async function size(file) {
  if (!sizes.has(file)) sizes.set(file, gzipSync(await readFile(new URL(file, dist))).length)
  return sizes.get(file)
}

function filesOf(keys) {
  const files = new Set()
  const seen = new Set()
  const visit = (key) => {
    if (seen.has(key)) return
    seen.add(key)
    const chunk = manifest[key]
    files.add(chunk.file)
    for (const css of chunk.css ?? []) files.add(css)
    for (const other of chunk.imports ?? []) visit(other)
  }
  keys.forEach(visit)
  return [...files]
}

const shared = ['index.html', 'src/i18n/zh.ts', 'node_modules/element-plus/es/locale/lang/zh-cn.mjs']
const pages = Object.keys(manifest).filter((key) => /^src\/(session\/SignIn|overview\/Overview|jobs\/(Jobs|Job|Submit)|workflows\/(Workflows|Workflow|Editor)|runs\/(Runs|Run|Compare)|offers\/Gpus|settings\/Settings|costs\/Costs|admin\/Admin)\.vue$/.test(key))
let miss = false
for (const page of pages) {
  const files = filesOf([...shared.filter((key) => manifest[key]), page])
  let total = 0
  for (const file of files) total += await size(file)
  miss ||= total > BAR
  console.log(`${page.replace(/^src\/|\.vue$/g, '').padEnd(22)} ${(total / 1000).toFixed(1).padStart(7)} kB gzip in ${String(files.length).padStart(2)} files  ${total <= BAR ? 'ok' : 'MISS'}`)
}
const all = await readdir(new URL('assets/', dist))
console.log(`first load: ${pages.length} pages, bar ${BAR / 1000} kB, ${all.length} files in all  ${miss ? 'MISS' : 'ok'}`)
if (miss || pages.length === 0) process.exitCode = 1
