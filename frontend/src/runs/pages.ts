// Pages of a list by cursor, fetched anew when runs say that something happened.
import { useDebounceFn } from '@vueuse/core'
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'
import { asProblem, type Problem } from '@/api/problem'
import type { RunEvent } from '@/api/types'
import { useLive } from '@/live/store'

interface Page<T> {
  items: T[]
  next: string | null
}

interface Options<T> {
  fetch: (cursor: string | undefined) => Promise<Page<T>>
  id: (item: T) => string
  /** What the list is of; it begins anew when that changes. */
  of: () => unknown
  /** The item after an event of a run; the same object if it is no concern of its. */
  advance?: (item: T, event: RunEvent) => T
  /** Whether an event makes the first page old; all do if absent. */
  concerns?: (event: RunEvent) => boolean
}

/** Events of runs come in bursts; the list is asked for again after each burst, and during long ones. */
const CALM = 800

export function usePages<T>({ fetch, id, of, advance, concerns }: Options<T>) {
  const live = useLive()
  const items = shallowRef<T[]>([])
  const next = ref<string | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const loading = ref(true)
  const busy = ref(false)
  let latest = 0

  async function load(fresh: boolean): Promise<void> {
    const mine = ++latest
    if (fresh) {
      loading.value = true
      items.value = []
      next.value = null
    }
    try {
      const page = await fetch(undefined)
      if (mine !== latest) return
      const known = new Set(page.items.map(id))
      // Pages that were read already stay behind the new first one
      const joins = items.value.some((item) => known.has(id(item)))
      items.value = joins ? [...page.items, ...items.value.filter((item) => !known.has(id(item)))] : page.items
      if (!joins) next.value = page.next
      problem.value = null
    } catch (thrown) {
      if (mine === latest) problem.value = asProblem(thrown)
    } finally {
      if (mine === latest) loading.value = false
    }
  }

  async function more(): Promise<void> {
    const cursor = next.value
    if (cursor === null || busy.value) return
    const mine = latest
    busy.value = true
    try {
      const page = await fetch(cursor)
      if (mine !== latest) return
      const known = new Set(items.value.map(id))
      items.value = [...items.value, ...page.items.filter((item) => !known.has(id(item)))]
      next.value = page.next
    } catch (thrown) {
      problem.value = asProblem(thrown)
    } finally {
      busy.value = false
    }
  }

  const again = useDebounceFn(() => load(false), CALM, { maxWait: 4 * CALM })
  onScopeDispose(
    live.onRunEvent((event) => {
      if (advance) items.value = items.value.map((item) => advance(item, event))
      if (!concerns || concerns(event)) void again()
    }),
  )
  watch(() => JSON.stringify(of()), () => void load(true))
  watch(() => live.tick, () => void load(false))
  void load(true)

  return { items, next, problem, loading, busy, more, reload: () => load(false), empty: computed(() => !loading.value && items.value.length === 0 && !problem.value) }
}
