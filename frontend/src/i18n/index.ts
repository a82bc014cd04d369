import { createI18n } from 'vue-i18n'
import type { Messages } from './en'

export const locales = ['en', 'zh'] as const
export type Locale = (typeof locales)[number]

const load: Record<Locale, () => Promise<Messages>> = {
  en: async () => (await import('./en')).default,
  zh: async () => (await import('./zh')).default,
}

export const i18n = createI18n({
  legacy: false,
  locale: 'en',
  fallbackLocale: 'en',
  missingWarn: false,
  fallbackWarn: false,
  messages: {} as Record<string, Messages>,
})

/** Shows everything in a language; its words are fetched when it is first used. */
export async function useLocale(locale: Locale): Promise<void> {
  if (!i18n.global.availableLocales.includes(locale)) {
    i18n.global.setLocaleMessage(locale, await load[locale]())
  }
  i18n.global.locale.value = locale
  document.documentElement.lang = locale === 'zh' ? 'zh-CN' : 'en'
}
