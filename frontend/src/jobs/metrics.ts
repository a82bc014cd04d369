import { shallowRef, watch } from 'vue'
import { api, take } from '@/api/client'
import { asProblem, type Problem } from '@/api/problem'
import type { MetricsRow } from '@/api/types'
import type { Message } from '@/live/reducer'
import { useLive } from '@/live/store'

type Pushed = Extract<Message, { type: 'metrics' }>

/** Pushed figures have other names than fetched ones. */
export function rowOf(message: Pushed): MetricsRow {
  return {
    at: message.at,
    gpus: message.gpus.map((gpu) => ({
      gpu: gpu.gpu,
      utilisation_percent: gpu.utilisation,
      memory_used_mib: gpu.memory_used_mib,
      memory_total_mib: gpu.memory_total_mib,
      temperature_celsius: gpu.temperature_c,
      power_watts: gpu.power_w,
    })),
  }
}

/** Rows in the order of time, each once. */
export function merge(rows: readonly MetricsRow[], more: readonly MetricsRow[]): MetricsRow[] {
  const byTime = new Map(rows.map((row) => [row.at, row]))
  for (const row of more) byTime.set(row.at, row)
  return [...byTime.values()].sort((a, b) => a.at.localeCompare(b.at))
}

export function useMetrics(jobId: () => string) {
  const live = useLive()
  const rows = shallowRef<MetricsRow[]>([])
  const problem = shallowRef<Problem | null>(null)
  let after: string | undefined

  async function load(): Promise<void> {
    const id = jobId()
    try {
      for (;;) {
        const page = await take(
          api.GET('/v1/jobs/{id}/metrics', { params: { path: { id }, query: { after, limit: 1000 } } }),
        )
        if (id !== jobId()) return
        rows.value = merge(rows.value, page.items)
        after = page.next ?? after
        if (page.items.length < 1000) break
      }
      problem.value = null
    } catch (thrown) {
      problem.value = asProblem(thrown)
    }
  }

  watch(
    jobId,
    () => {
      rows.value = []
      after = undefined
      void load()
    },
    { immediate: true },
  )
  watch(() => live.tick, load)

  return { rows, problem, load, hear: (message: Pushed) => (rows.value = merge(rows.value, [rowOf(message)])) }
}
