// A log as lines. What a terminal would show: a carriage return starts its line again, colours go on over line ends.

// eslint-disable-next-line no-control-regex
const escapes = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g
const colours = /\u001b\[([\d;]*)m/g
const trouble = /\b(error|exception|traceback|fatal|fail(ed|ure)?|panic|killed|oom)\b/i
const warning = /\bwarn(ing)?\b/i

export const levels = ['all', 'errors', 'warnings'] as const
export type Level = (typeof levels)[number]

/** The text alone, for searching. */
export function plain(line: string): string {
  return line.includes('\u001b') ? line.replace(escapes, '') : line
}

export function matchesLevel(line: string, level: Level): boolean {
  if (level === 'errors') return trouble.test(line)
  if (level === 'warnings') return warning.test(line)
  return true
}

/** The colour codes in force behind `text`, given those before it. */
function coloursAfter(text: string, before: string): string {
  let now = before
  for (const [code, numbers] of text.matchAll(colours)) {
    now = numbers === '' || numbers === '0' ? '' : `${now}${code}`
  }
  // A program that never resets would make this grow without end
  return now.length > 200 ? now.slice(now.lastIndexOf('\u001b', now.length - 1)) : now
}

export class Lines {
  private readonly texts: string[] = []
  /** The colours that a line begins with, where there are any. */
  private readonly starts = new Map<number, string>()
  private colour = ''
  /** The last line has no line end yet. */
  private open = false

  get length(): number {
    return this.texts.length
  }

  append(text: string): void {
    if (text === '') return
    const parts = text.split('\n')
    parts.forEach((part, index) => {
      const last = index === parts.length - 1
      if (last && part === '') return
      this.add(part)
      this.open = last
      if (!last) this.close()
    })
  }

  private add(part: string): void {
    if (this.open) this.texts[this.texts.length - 1] += part
    else this.texts.push(part)
    this.open = true
  }

  private close(): void {
    const index = this.texts.length - 1
    const line = this.texts[index] ?? ''
    this.texts[index] = line.endsWith('\r') ? line.slice(0, -1) : line
    if (line.includes('\u001b')) this.colour = coloursAfter(line, this.colour)
    if (this.colour !== '') this.starts.set(index + 1, this.colour)
    this.open = false
  }

  /** What a terminal shows of a line, without its escapes. */
  text(index: number): string {
    return plain(this.overwritten(index))
  }

  /** A line with the escapes that colour it. */
  coloured(index: number): string {
    return (this.starts.get(index) ?? '') + this.overwritten(index)
  }

  private overwritten(index: number): string {
    const line = (this.texts[index] ?? '').replace(/\r+$/, '')
    const at = line.lastIndexOf('\r')
    return at < 0 ? line : line.slice(at + 1)
  }

  /** Everything as it came, but for carriage returns at line ends. */
  whole(): string {
    return this.texts.length === 0 ? '' : this.texts.join('\n') + (this.open ? '' : '\n')
  }
}

/** The lines that a search or a level leaves, by index. */
export function filterLines(lines: Lines, from: number, words: string, level: Level): number[] {
  const wanted = words.toLowerCase()
  const found: number[] = []
  for (let index = from; index < lines.length; index++) {
    const text = lines.text(index)
    if (matchesLevel(text, level) && (wanted === '' || text.toLowerCase().includes(wanted))) found.push(index)
  }
  return found
}
