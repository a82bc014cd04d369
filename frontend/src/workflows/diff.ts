// What differs between two texts, line by line.

export interface Change {
  kind: 'same' | 'added' | 'removed'
  text: string
  /** Line numbers from 1; null on the side that does not have the line. */
  left: number | null
  right: number | null
}

/** The shortest way from one text to the other (Myers). */
export function diffLines(before: string, after: string): Change[] {
  const a = before.split('\n')
  const b = after.split('\n')
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start++
  let tail = 0
  while (tail < a.length - start && tail < b.length - start && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++
  const changes: Change[] = []
  const same = (left: number, right: number) => changes.push({ kind: 'same', text: a[left] ?? '', left: left + 1, right: right + 1 })
  for (let index = 0; index < start; index++) same(index, index)
  for (const [left, right] of middle(a.slice(start, a.length - tail), b.slice(start, b.length - tail))) {
    if (left !== null && right !== null) same(left + start, right + start)
    else if (left !== null) changes.push({ kind: 'removed', text: a[left + start] ?? '', left: left + start + 1, right: null })
    else if (right !== null) changes.push({ kind: 'added', text: b[right + start] ?? '', left: null, right: right + start + 1 })
  }
  for (let index = tail; index > 0; index--) same(a.length - index, b.length - index)
  return changes
}

/** So many edits are looked for; texts that share less are shown as one taking the other's place. */
const MOST = 2000

function middle(a: readonly string[], b: readonly string[]): [number | null, number | null][] {
  const furthest = new Map([[1, 0]])
  const trace: Map<number, number>[] = []
  for (let edits = 0; edits <= Math.min(a.length + b.length, MOST); edits++) {
    trace.push(new Map(furthest))
    for (let k = -edits; k <= edits; k += 2) {
      const down = k === -edits || (k !== edits && (furthest.get(k - 1) ?? -1) < (furthest.get(k + 1) ?? -1))
      let x = down ? (furthest.get(k + 1) ?? 0) : (furthest.get(k - 1) ?? 0) + 1
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++
      furthest.set(k, x)
      if (x >= a.length && x - k >= b.length) return walkBack(trace, a.length, b.length)
    }
  }
  return [...a.map((_, index): [number, null] => [index, null]), ...b.map((_, index): [null, number] => [null, index])]
}

function walkBack(trace: readonly Map<number, number>[], x: number, y: number): [number | null, number | null][] {
  const steps: [number | null, number | null][] = []
  for (let edits = trace.length - 1; edits >= 0; edits--) {
    const furthest = trace[edits] ?? new Map<number, number>()
    const k = x - y
    const down = k === -edits || (k !== edits && (furthest.get(k - 1) ?? -1) < (furthest.get(k + 1) ?? -1))
    const fromK = down ? k + 1 : k - 1
    const fromX = edits === 0 ? 0 : (furthest.get(fromK) ?? 0)
    const fromY = edits === 0 ? 0 : fromX - fromK
    while (x > fromX && y > fromY) steps.push([--x, --y])
    if (edits === 0) break
    if (down) steps.push([null, --y])
    else steps.push([--x, null])
  }
  return steps.reverse()
}

export interface Hunk {
  /** How many equal lines are not shown before it. */
  skipped: number
  changes: Change[]
}

/** The changes with some equal lines around them. */
export function hunks(changes: readonly Change[], around = 3): { hunks: Hunk[]; skipped: number } {
  const shown = changes.map((_, index) => changes.slice(Math.max(0, index - around), index + around + 1).some(({ kind }) => kind !== 'same'))
  const found: Hunk[] = []
  let skipped = 0
  for (const [index, change] of changes.entries()) {
    if (!shown[index]) {
      skipped++
      continue
    }
    const last = found.at(-1)
    if (last && skipped === 0) last.changes.push(change)
    else found.push({ skipped, changes: [change] })
    skipped = 0
  }
  return { hunks: found, skipped }
}
