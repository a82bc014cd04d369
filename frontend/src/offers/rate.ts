import { computed } from 'vue'
import { api, take } from '@/api/client'
import { useLoaded } from '@/shell/load'

/** Yuan for a US dollar, as the platform is configured; prices of two currencies are put in order by it. */
export function useRate() {
  const { data } = useLoaded(() => take(api.GET('/v1/budget')), undefined, false)
  return computed(() => Number(data.value?.cny_per_usd ?? 7))
}
