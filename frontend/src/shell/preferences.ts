import { useLocalStorage, usePreferredDark } from '@vueuse/core'
import { defineStore } from 'pinia'
import { computed, watchEffect } from 'vue'
import { type Locale, locales } from '@/i18n'

export type Theme = 'system' | 'light' | 'dark'

const first = (): Locale => (navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en')

/** Taste: the only thing that stays in the browser. */
export const usePreferences = defineStore('preferences', () => {
  const stored = useLocalStorage<string>('gpu.language', first)
  const theme = useLocalStorage<Theme>('gpu.theme', 'system')
  const utc = useLocalStorage('gpu.utc', false)
  const prefersDark = usePreferredDark()
  const locale = computed<Locale>({
    get: () => (locales.includes(stored.value as Locale) ? (stored.value as Locale) : 'en'),
    set: (next) => (stored.value = next),
  })
  const dark = computed(() => theme.value === 'dark' || (theme.value !== 'light' && prefersDark.value))

  watchEffect(() => document.documentElement.classList.toggle('dark', dark.value))

  return { locale, theme, utc, dark }
})
