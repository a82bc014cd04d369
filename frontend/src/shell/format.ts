import { useNow } from '@vueuse/core'
import { computed, type ComputedRef } from 'vue'
import { useI18n } from 'vue-i18n'
import type { Money } from '@/api/types'
import { formatAmounts, formatMoney } from '@/format/money'
import { formatDuration, formatTime, type Units } from '@/format/time'
import { usePreferences } from './preferences'

/** What is written where a moment or a figure has not come yet. */
export const NONE = '—'

/** Formatting in the reader's language and zone. */
export function useFormat() {
  const { t, locale } = useI18n()
  const preferences = usePreferences()
  const tag = computed(() => (locale.value === 'zh' ? 'zh-CN' : 'en-US'))
  const units = computed<Units>(() => ({
    d: t('units.day'),
    h: t('units.hour'),
    m: t('units.minute'),
    s: t('units.second'),
  }))
  return {
    tag,
    money: (money: Money | null | undefined, digits?: number) => formatMoney(money, tag.value, digits) ?? NONE,
    amounts: (amounts: readonly Money[]) => formatAmounts(amounts, tag.value) ?? NONE,
    time: (at: string | number | null | undefined, seconds = true) =>
      formatTime(at, preferences.utc ? 'UTC' : undefined, seconds) ?? NONE,
    duration: (seconds: number | null | undefined) => formatDuration(seconds, units.value) ?? NONE,
    number: (value: number) => new Intl.NumberFormat(tag.value).format(value),
    percent: (fraction: number) =>
      new Intl.NumberFormat(tag.value, { style: 'percent', maximumFractionDigits: 0 }).format(fraction),
  }
}

let shared: ComputedRef<number> | undefined

/** The time in milliseconds, once a second, shared by whatever shows a running clock. */
export function useClock(): ComputedRef<number> {
  if (!shared) {
    const now = useNow({ interval: 1000 })
    shared = computed(() => now.value.getTime())
  }
  return shared
}
