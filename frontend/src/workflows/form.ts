import { computed, reactive, ref, watch } from 'vue'
import { useI18n } from 'vue-i18n'
import type { Problem } from '@/api/problem'
import { changed, fieldsOf } from './params'

/** The parameters of a definition as they are typed, what is wrong with them, and what is sent. */
export function useParamsForm(definition: () => unknown, values: () => Readonly<Record<string, unknown>> = () => ({}), problem: () => Problem | null = () => null) {
  const { t } = useI18n()
  const fields = computed(() => fieldsOf(definition(), values()))
  const texts = reactive<Record<string, string>>({})
  const tried = ref(false)
  watch(
    fields,
    (next) => {
      for (const { name, text } of next) texts[name] = text
    },
    { immediate: true },
  )
  const result = computed(() => changed(fields.value, texts, definition()))
  const wrong = computed(() => {
    const found: Record<string, string> = {}
    for (const [field, message] of Object.entries(problem()?.fields ?? {})) {
      const name = /^params\.([^.[]+)/.exec(field)?.[1]
      if (name) found[name] = message
    }
    if (tried.value) for (const [name, what] of Object.entries(result.value.wrong)) found[name] = t(`params.wrong.${what}`)
    return found
  })
  return {
    fields,
    texts,
    wrong,
    params: computed(() => result.value.params),
    change: (name: string, text: string) => (texts[name] = text),
    /** Whether everything may be sent; from now on what may not be is said. */
    check: () => {
      tried.value = true
      return Object.keys(result.value.wrong).length === 0
    },
  }
}
