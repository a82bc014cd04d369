import { describe, expect, test } from 'vitest'
import { filterLines, Lines } from '@/jobs/log/lines'

const escape = '\u001b'
const all = (lines: Lines) => Array.from({ length: lines.length }, (_, index) => lines.text(index))

describe('lines', () => {
  test('however the text is cut, the lines are the same', () => {
    const text = 'one\r\ntwo\n\nthr€e 三\n'
    const whole = new Lines()
    whole.append(text)
    expect(all(whole)).toEqual(['one', 'two', '', 'thr€e 三'])
    for (let cut = 1; cut < text.length; cut++) {
      const parts = new Lines()
      parts.append(text.slice(0, cut))
      parts.append(text.slice(cut))
      expect(all(parts)).toEqual(all(whole))
      expect(parts.whole()).toBe('one\ntwo\n\nthr€e 三\n')
    }
  })

  test('a carriage return starts the line again, as progress bars do', () => {
    const lines = new Lines()
    lines.append('10%\r50%\r')
    expect(all(lines)).toEqual(['50%'])
    lines.append('100%\nend')
    expect(all(lines)).toEqual(['100%', 'end'])
  })

  test('a colour goes on over line ends until it is reset', () => {
    const lines = new Lines()
    lines.append(`${escape}[31mred\nstill\n${escape}[0mplain\nlast\n`)
    expect(lines.coloured(1)).toBe(`${escape}[31mstill`)
    expect(lines.text(0)).toBe('red')
    expect(lines.coloured(3)).toBe('last')
  })

  test('escapes are no text', () => {
    const lines = new Lines()
    lines.append(`${escape}[1;32mgreen${escape}[0m ${escape}]0;title\u0007end${escape}[K\n`)
    expect(lines.text(0)).toBe('green end')
  })
})

describe('the filter', () => {
  const lines = new Lines()
  lines.append(`Epoch 1\nWARNING: slow\n${escape}[31mERR${escape}[0mOR: broken\nterrors\nTraceback (most recent call last)\n`)

  test('finds words across colours, in either case', () => expect(filterLines(lines, 0, 'error:', 'all')).toEqual([2]))
  test('leaves errors only', () => expect(filterLines(lines, 0, '', 'errors')).toEqual([2, 4]))
  test('leaves warnings only', () => expect(filterLines(lines, 0, '', 'warnings')).toEqual([1]))
  test('goes on from a line', () => expect(filterLines(lines, 3, '', 'errors')).toEqual([4]))
})
