import { ref, type Ref, shallowRef, watch } from 'vue'
import { asProblem, type Problem } from '@/api/problem'
import { useLive } from '@/live/store'

export interface Loaded<T> {
  data: Ref<T | null>
  problem: Ref<Problem | null>
  /** Nothing to show yet: the first answer has not come. */
  loading: Ref<boolean>
  reload: () => Promise<void>
}

/** Fetches now, whenever `of` changes, and whenever pushes may have been missed. The latest question's answer counts. */
export function useLoaded<T>(fetch: () => Promise<T>, of?: () => unknown, live = true): Loaded<T> {
  const data = shallowRef<T | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const loading = ref(true)
  let latest = 0

  async function reload(): Promise<void> {
    const mine = ++latest
    try {
      const answer = await fetch()
      if (mine !== latest) return
      data.value = answer
      problem.value = null
    } catch (thrown) {
      if (mine === latest) problem.value = asProblem(thrown)
    } finally {
      if (mine === latest) loading.value = false
    }
  }

  if (of) {
    watch(of, () => {
      loading.value = true
      void reload()
    })
  }
  if (live) {
    const store = useLive()
    watch(() => store.tick, reload)
  }
  void reload()
  return { data, problem, loading, reload }
}

/** Something done on a click: busy while it goes on, and what went wrong. */
export function useAction<A extends unknown[]>(work: (...args: A) => Promise<unknown>) {
  const busy = ref(false)
  const problem = shallowRef<Problem | null>(null)
  async function run(...args: A): Promise<boolean> {
    busy.value = true
    problem.value = null
    try {
      await work(...args)
      return true
    } catch (thrown) {
      problem.value = asProblem(thrown)
      return false
    } finally {
      busy.value = false
    }
  }
  return { busy, problem, run }
}
