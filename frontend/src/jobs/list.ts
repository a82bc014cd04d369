import { computed, ref, shallowRef, watch } from 'vue'
import { api, take } from '@/api/client'
import { asProblem, type Problem } from '@/api/problem'
import type { Job } from '@/api/types'
import { useLive } from '@/live/store'
import { type Filters, matches, toParameters } from './filters'

const PAGE = 100

/** The jobs of a filter, page by page, each as it is now. */
export function useJobList(filters: () => Filters) {
  const live = useLive()
  /** In the order of the API; the jobs themselves are in the live store. */
  const ids = shallowRef<string[]>([])
  const next = ref<string | null>(null)
  const problem = shallowRef<Problem | null>(null)
  const loading = ref(true)
  const loadingMore = ref(false)
  let latest = 0

  async function page(cursor: string | undefined) {
    const answer = await take(
      api.GET('/v1/jobs', { params: { query: { ...toParameters(filters()), limit: PAGE, cursor } } }),
    )
    live.put(...answer.items)
    return answer
  }

  async function load(fresh: boolean): Promise<void> {
    const mine = ++latest
    if (fresh) {
      loading.value = true
      ids.value = []
      next.value = null
    }
    try {
      const answer = await page(undefined)
      if (mine !== latest) return
      const first = answer.items.map((job) => job.id)
      const known = new Set(first)
      // Pages that were read already stay behind the new first one
      const joins = ids.value.some((id) => known.has(id))
      ids.value = joins ? [...first, ...ids.value.filter((id) => !known.has(id))] : first
      if (!joins) next.value = answer.next
      problem.value = null
    } catch (thrown) {
      if (mine === latest) problem.value = asProblem(thrown)
    } finally {
      if (mine === latest) loading.value = false
    }
  }

  async function more(): Promise<void> {
    const cursor = next.value
    if (!cursor || loadingMore.value) return
    const mine = latest
    loadingMore.value = true
    try {
      const answer = await page(cursor)
      if (mine !== latest) return
      const known = new Set(ids.value)
      ids.value = [...ids.value, ...answer.items.map((job) => job.id).filter((id) => !known.has(id))]
      next.value = answer.next
    } catch (thrown) {
      problem.value = asProblem(thrown)
    } finally {
      loadingMore.value = false
    }
  }

  watch(() => JSON.stringify(filters()), () => void load(true))
  watch(() => live.tick, () => void load(false))
  void load(true)

  const jobs = computed(() =>
    ids.value.map((id) => live.job(id)).filter((job): job is Job => job !== null && matches(filters(), job)),
  )

  return { jobs, next, problem, loading, loadingMore, more, reload: () => load(false) }
}
