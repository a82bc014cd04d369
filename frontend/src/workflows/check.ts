import { useDebounceFn } from '@vueuse/core'
import { computed, ref, shallowRef, watch } from 'vue'
import { api, take } from '@/api/client'
import { asProblem, type Problem } from '@/api/problem'
import type { FieldError, Graph } from '@/api/types'
import { lineOf } from './yaml'

/** What is wrong with a text, at its lines. */
export interface Fault {
  field: string
  message: string
  line: number | null
}

/** After so long without a key the text is looked at. */
const CALM = 400

/** A text as the API sees it, a moment after each change. The graph is that of the last text that was valid. */
export function useCheck(text: () => string) {
  const faults = shallowRef<readonly Fault[]>([])
  const graph = shallowRef<Graph | null>(null)
  const valid = ref<boolean | null>(null)
  /** Whether the answer is to the text as it is now. */
  const current = ref(false)
  const problem = shallowRef<Problem | null>(null)
  let latest = 0

  const faultOf = ({ field, message, line }: FieldError, of: string): Fault => ({ field, message, line: line ?? lineOf(of, field) })

  async function check(): Promise<void> {
    const mine = ++latest
    const yaml = text()
    if (yaml.trim() === '') {
      faults.value = []
      valid.value = null
      return
    }
    try {
      const answer = await take(api.POST('/v1/workflows:validate', { body: { yaml } }))
      if (mine !== latest) return
      faults.value = answer.errors.map((error) => faultOf(error, yaml)).sort((a, b) => (a.line ?? 0) - (b.line ?? 0))
      valid.value = answer.valid
      if (answer.graph) graph.value = answer.graph
      problem.value = null
      current.value = true
    } catch (thrown) {
      if (mine === latest) problem.value = asProblem(thrown)
    }
  }

  const soon = useDebounceFn(check, CALM)
  watch(
    text,
    () => {
      current.value = false
      latest++
      void soon()
    },
    { immediate: true },
  )

  return {
    faults,
    graph,
    valid,
    current,
    problem,
    check,
    marks: computed(() => {
      const marks = new Map<number, string>()
      for (const { line, message } of faults.value) if (line !== null) marks.set(line, marks.has(line) ? `${marks.get(line)}\n${message}` : message)
      return marks
    }),
  }
}
