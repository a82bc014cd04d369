import { describe, expect, test } from 'vitest'
import { curl, shellWord } from '@/format/curl'
import { costOf, formatAmounts, formatMoney, sumByCurrency } from '@/format/money'
import { formatDuration, formatTime, secondsBetween } from '@/format/time'

const usd = (amount: string) => ({ amount, currency: 'USD' })
const units = { d: 'd', h: 'h', m: 'm', s: 's' }

describe('money', () => {
  test.each([
    ['0.000000', '$0.00'],
    ['0.440000', '$0.44'],
    ['0.034500', '$0.0345'],
    ['0.000007', '$0.000007'],
    ['1234.500000', '$1,234.50'],
    ['-2.000000', '-$2.00'],
  ])('%s is %s', (amount, shown) => expect(formatMoney(usd(amount), 'en-US')).toBe(shown))

  test('stays in its currency', () => {
    expect(formatMoney({ amount: '3.500000', currency: 'CNY' }, 'zh-CN')).toBe('¥3.50')
    expect(formatAmounts([usd('1.000000'), { amount: '7.000000', currency: 'CNY' }], 'en-US')).toBe('$1.00 + ¥7.00')
  })

  test('that is unknown is not zero', () => {
    expect(formatMoney(null, 'en-US')).toBeNull()
    expect(formatAmounts([], 'en-US')).toBeNull()
  })

  test('adds exactly, each currency by itself', () => {
    const tenth = usd('0.100000')
    expect(sumByCurrency([tenth, tenth, tenth, { amount: '9007199254.740993', currency: 'CNY' }, { amount: '0.000001', currency: 'CNY' }])).toEqual([
      usd('0.300000'),
      { amount: '9007199254.740994', currency: 'CNY' },
    ])
    expect(sumByCurrency([usd('0.100000'), usd('-0.300000')])).toEqual([usd('-0.200000')])
  })

  test('a price per hour over a time', () => expect(costOf(usd('0.720000'), 1800)).toEqual(usd('0.360000')))
})

describe('time', () => {
  test('is an ISO date on a 24-hour clock in the zone asked for', () => {
    expect(formatTime('2026-01-02T23:04:05Z', 'UTC')).toBe('2026-01-02 23:04:05')
    expect(formatTime('2026-01-02T23:04:05Z', 'Asia/Shanghai')).toBe('2026-01-03 07:04:05')
    expect(formatTime('2026-01-02T00:04:05Z', 'UTC', false)).toBe('2026-01-02 00:04')
    expect(formatTime(null)).toBeNull()
    expect(formatTime('never')).toBeNull()
  })

  test.each([
    [0, '0s'],
    [0.44, '0.4s'],
    [59.7, '1m'],
    [61, '1m 1s'],
    [3600, '1h'],
    [86400 + 7200 + 59, '1d 2h'],
  ])('%d seconds are %s', (seconds, shown) => expect(formatDuration(seconds, units)).toBe(shown))

  test('a length without an end is unknown', () => {
    expect(secondsBetween('2026-01-02T00:00:00Z', null)).toBeNull()
    expect(secondsBetween('2026-01-02T00:00:00Z', '2026-01-02T00:00:01.5Z')).toBe(1.5)
    expect(formatDuration(null, units)).toBeNull()
  })
})

describe('curl', () => {
  test('quotes what a shell would read', () => {
    expect(shellWord('plain/word')).toBe('plain/word')
    expect(shellWord(`it's $HOME`)).toBe(`'it'\\''s $HOME'`)
    expect(shellWord('')).toBe(`''`)
  })

  test('names no token', () => {
    const command = curl('https://gpu.example.com', 'POST', '/v1/jobs', { image: 'busybox' })
    expect(command).toContain('https://gpu.example.com/v1/jobs')
    expect(command).toContain('Bearer $GPU_TOKEN')
    expect(command).toContain('"image": "busybox"')
  })
})
