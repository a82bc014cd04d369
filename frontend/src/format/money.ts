import type { Money } from '@/api/types'

/** An amount in its own currency. Prices of a GPU second are small, so at least two and at most six digits. */
export function formatMoney(money: Money | null | undefined, locale: string, digits?: number): string | null {
  if (!money) return null
  const value = Number(money.amount)
  if (!Number.isFinite(value)) return null
  const most = digits ?? (value === 0 || Math.abs(value) >= 0.1 ? 2 : Math.abs(value) >= 0.0001 ? 4 : 6)
  return formatter(locale, money.currency, Math.max(2, most)).format(value)
}

const formatters = new Map<string, Intl.NumberFormat>()

/** Making one costs more than a hundred uses of it, and a table of jobs formats at every frame that it is scrolled. */
function formatter(locale: string, currency: string, digits: number): Intl.NumberFormat {
  const key = `${locale} ${currency} ${digits}`
  let made = formatters.get(key)
  if (!made) {
    made = new Intl.NumberFormat(locale, {
      style: 'currency',
      currency,
      currencyDisplay: 'narrowSymbol',
      minimumFractionDigits: 2,
      maximumFractionDigits: digits,
    })
    formatters.set(key, made)
  }
  return made
}

/** Without the zeros that the API's exact amounts end with, as a form shows it. */
export const shortAmount = (amount: string | undefined): string => amount?.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '') ?? ''

/** Several amounts, one for each currency: they are never added to each other. */
export function formatAmounts(amounts: readonly Money[], locale: string): string | null {
  const parts = amounts.map((money) => formatMoney(money, locale)).filter((part) => part !== null)
  return parts.length > 0 ? parts.join(' + ') : null
}

/** Amounts of two currencies on one scale, for an order only: US dollars at the platform's rate. */
export function comparable(money: Money | null | undefined, cnyPerUsd: number): number {
  if (!money) return Infinity
  return money.currency === 'CNY' ? Number(money.amount) / cnyPerUsd : Number(money.amount)
}

/** What a price per hour comes to over a time. */
export function costOf(perHour: Money, seconds: number): Money {
  return { amount: ((Number(perHour.amount) * seconds) / 3600).toFixed(6), currency: perHour.currency }
}

/** The sum of amounts, by currency, in the order in which the currencies appear. */
export function sumByCurrency(amounts: readonly Money[]): Money[] {
  const micros = new Map<string, bigint>()
  for (const { amount, currency } of amounts) micros.set(currency, (micros.get(currency) ?? 0n) + toMicros(amount))
  return [...micros].map(([currency, sum]) => ({ amount: fromMicros(sum), currency }))
}

function toMicros(amount: string): bigint {
  const [whole = '0', part = ''] = amount.replace('-', '').split('.')
  const value = BigInt(whole) * 1_000_000n + BigInt(part.padEnd(6, '0').slice(0, 6))
  return amount.startsWith('-') ? -value : value
}

function fromMicros(micros: bigint): string {
  const size = micros < 0n ? -micros : micros
  const text = `${size / 1_000_000n}.${String(size % 1_000_000n).padStart(6, '0')}`
  return micros < 0n ? `-${text}` : text
}
