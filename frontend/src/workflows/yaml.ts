// The text of a definition as the editor shows it: pieces with colours, and where each node stands. Only the API says what is right.

export type Tone = 'key' | 'quoted' | 'note' | 'hole' | 'plain'

export interface Piece {
  tone: Tone
  text: string
}

const token = /(\$\{\{.*?\}\})|("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|((?:^|\s)#.*$)|([\p{L}_][\p{L}\p{N}_.-]*)(?=:(?:\s|$))/gu

/** One line in pieces; together they are the line. */
export function piecesOf(line: string): Piece[] {
  const pieces: Piece[] = []
  let end = 0
  for (const match of line.matchAll(token)) {
    if (match.index > end) pieces.push({ tone: 'plain', text: line.slice(end, match.index) })
    const [text, hole, quoted, note] = match
    pieces.push({ tone: hole ? 'hole' : quoted ? 'quoted' : note ? 'note' : 'key', text })
    end = match.index + text.length
  }
  if (end < line.length) pieces.push({ tone: 'plain', text: line.slice(end) })
  return pieces
}

/** The line of each node, from 1, by its id: a name under `nodes`, or the members of its groups behind it. */
export function linesOf(text: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  /** What surrounds the line: a node or a group, and how far its name is indented. */
  const around: { indent: number; name: string }[] = []
  let inside = false
  let base = -1
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*(#|$)/.test(line)) continue
    const indent = line.search(/\S/)
    if (indent === 0) {
      inside = /^nodes\s*:/.test(line)
      base = -1
      around.length = 0
      continue
    }
    if (!inside) continue
    if (base < 0) base = indent
    while (around.length > 0 && (around.at(-1)?.indent ?? 0) >= indent) around.pop()
    const named = indent === base ? /^\s*([\p{L}][\p{L}\p{N}_-]*)\s*:/u.exec(line) : /^\s*-\s*\{?\s*(?:.*?,\s*)?name\s*:\s*["']?([\p{L}][\p{L}\p{N}_-]*)/u.exec(line)
    if (!named?.[1]) continue
    around.push({ indent, name: named[1] })
    found.set(around.map(({ name }) => name).join('.'), index + 1)
  }
  return found
}

/** The node that a line belongs to; null outside of nodes. */
export function nodeAt(text: string, line: number): string | null {
  let last: string | null = null
  for (const [node, at] of linesOf(text)) if (at <= line) last = node
  return last
}

/** The line of what an error is about, if the API does not say it: its node's. */
export function lineOf(text: string, field: string): number | null {
  const name = /^nodes\.([^.[]+)/.exec(field)?.[1]
  return name ? (linesOf(text).get(name) ?? null) : null
}

const skeletons = {
  job: `    job:
      image: docker.io/library/python:3.12-slim
      command: [python, -c, "print('hello')"]
      gpu: {count: 1}
      timeout_seconds: 3600
`,
  condition: `    condition: params.epochs > 0
`,
  webhook: `    webhook:
      url: https://example.com/hook
      body: {text: done}
`,
  map: `    map:
      over: [1, 2, 3]
      max_parallel: 2
      node:
        job:
          image: docker.io/library/python:3.12-slim
          command: [python, -c, "print('\${{ item }}')"]
`,
} as const

export type Skeleton = keyof typeof skeletons
export const skeletonKinds = Object.keys(skeletons) as Skeleton[]

/** The text with one more node, which waits for the last one; and the line of its name. */
export function withNode(text: string, kind: Skeleton): { text: string; line: number } {
  const nodes = linesOf(text)
  const tops = [...nodes.keys()].filter((name) => !name.includes('.'))
  let number = tops.length + 1
  while (nodes.has(`${kind}_${number}`)) number++
  const last = tops.at(-1)
  const start = text.trimEnd()
  const head = /^nodes\s*:/m.test(start) ? start : `${start}\nnodes:`.trimStart()
  const waits = last ? `    depends_on: [${last}]\n` : ''
  return { text: `${head}\n  ${kind}_${number}:\n${waits}${skeletons[kind]}`, line: head.split('\n').length + 1 }
}

/** What a new workflow begins with: it is valid, and runs. */
export const FIRST = `# A workflow is a graph of nodes. This one trains, looks at the result, and tells somebody.
name: my-workflow
params:
  epochs: {type: integer, minimum: 1, default: 3, description: How long to train}
nodes:
  train:
    job:
      image: docker.io/library/python:3.12-slim
      # What it writes to the file $GPU_OUTPUT, as JSON, is its output.
      command: [python, -c, "import os; print('training for', os.environ['EPOCHS']); open(os.environ['GPU_OUTPUT'], 'w').write('{\\"loss\\": 0.1}')"]
      env: {EPOCHS: "\${{ params.epochs }}"}
      gpu: {count: 1}
      timeout_seconds: 3600
  good:
    depends_on: [train]
    condition: nodes.train.output.loss < 0.5
  publish:
    depends_on: [good]
    job:
      image: docker.io/library/python:3.12-slim
      command: [python, -c, "print('loss', \${{ nodes.train.output.loss }})"]
      timeout_seconds: 600
`
