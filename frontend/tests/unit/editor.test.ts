import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { diffLines, hunks } from '@/workflows/diff'
import { FIRST, lineOf, linesOf, nodeAt, piecesOf, skeletonKinds, withNode } from '@/workflows/yaml'

const examples = new URL('../../../examples/workflows/', import.meta.url)

describe('the text of a definition', () => {
  test('in pieces is the text', async () => {
    for (const name of await readdir(examples)) {
      const text = await readFile(new URL(name, examples), 'utf8')
      for (const line of text.split('\n')) expect(piecesOf(line).map((piece) => piece.text).join('')).toBe(line)
    }
  })

  test('shows keys, notes, quoted texts and templates apart', () => {
    const tones = piecesOf('  url: "a # b" # why ${{ x }}').map(({ tone, text }) => `${tone} ${text.trim()}`)
    expect(tones).toContain('key url')
    expect(tones).toContain('quoted "a # b"')
    expect(tones).toContain('note # why ${{ x }}')
    expect(piecesOf('RATE: ${{ item }}').at(-1)).toEqual({ tone: 'hole', text: '${{ item }}' })
  })

  test('says where each node stands, those in groups too', async () => {
    const text = await readFile(new URL('nightly.yaml', examples), 'utf8')
    const at = (id: string) => text.split('\n')[(linesOf(text).get(id) ?? 0) - 1]?.trim()
    expect(at('night')).toBe('night:')
    expect(at('night.prepare')).toBe('- name: prepare')
    expect(at('night.train.full')).toBe('- name: full')
    expect(at('clean_up')).toBe('clean_up:')
    const line = text.split('\n').findIndex((one) => one.includes('publishing'))
    expect(nodeAt(text, line + 1)).toBe('night.publish')
    expect(nodeAt(text, 1)).toBeNull()
    expect(lineOf(text, 'nodes.clean_up.depends_on[0]')).toBe(linesOf(text).get('clean_up'))
    expect(lineOf(text, 'params.image')).toBeNull()
  })

  test('gets one more node behind the last one, with a name that is free', () => {
    let text = FIRST
    for (const kind of [...skeletonKinds, ...skeletonKinds]) {
      const next = withNode(text, kind)
      expect(next.text.split('\n')[next.line - 1]).toMatch(new RegExp(`^  ${kind}_\\d+:$`))
      text = next.text
    }
    expect(linesOf(text).size).toBe(3 + 2 * skeletonKinds.length)
    expect(withNode('', 'job').text).toMatch(/^nodes:\n {2}job_1:\n {4}job:/)
  })
})

describe('differences', () => {
  const words = (before: string, after: string) => diffLines(before.replaceAll(' ', '\n'), after.replaceAll(' ', '\n')).map(({ kind, text }) => `${{ same: '', added: '+', removed: '-' }[kind]}${text}`)

  test('are the fewest lines', () => {
    expect(words('a b c d', 'a c d e')).toEqual(['a', '-b', 'c', 'd', '+e'])
    expect(words('a b c', 'x y z')).toHaveLength(6)
    expect(words('', 'a b')).toContain('+a')
    expect(words('a b a b c', 'b a b a c').filter((word) => /^[-+]/.test(word))).toHaveLength(2)
  })

  test('give back both texts', () => {
    const texts = ['a\nb\nc\na\nb\nb\na', 'c\nb\na\nb\na\nc', '', 'a\n', FIRST, withNode(FIRST, 'map').text]
    for (const before of texts) {
      for (const after of texts) {
        const changes = diffLines(before, after)
        const side = (skip: string) => changes.filter(({ kind }) => kind !== skip).map(({ text }) => text).join('\n')
        expect(side('added')).toBe(before)
        expect(side('removed')).toBe(after)
        expect(changes.flatMap(({ right }) => right ?? [])).toEqual(after.split('\n').map((_, index) => index + 1))
      }
    }
  })

  test('are shown with a few lines around them', () => {
    const lines = Array.from({ length: 50 }, (_, index) => `line ${index}`)
    const changed = lines.map((line, index) => (index === 20 || index === 40 ? `${line}!` : line))
    const { hunks: found, skipped } = hunks(diffLines(lines.join('\n'), changed.join('\n')))
    expect(found.map((hunk) => [hunk.skipped, hunk.changes.length])).toEqual([
      [17, 8],
      [13, 8],
    ])
    expect(skipped).toBe(6)
  })
})
