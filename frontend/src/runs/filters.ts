import type { LocationQuery, LocationQueryRaw } from 'vue-router'
import type { RunStatus } from '@/api/types'

export const runStatuses: readonly RunStatus[] = ['running', 'succeeded', 'failed', 'cancelled', 'timed_out']

/** Which runs a list shows. It lives in the page's address. */
export interface Filters {
  status: RunStatus[]
  workflow: string
}

export function fromQuery(query: LocationQuery): Filters {
  const text = (key: string) => (typeof query[key] === 'string' ? query[key] : '')
  return {
    status: text('status').split(',').filter((word): word is RunStatus => runStatuses.includes(word as RunStatus)),
    workflow: text('workflow'),
  }
}

/** The address' other words stay as they are. */
export function toQuery(filters: Filters, query: LocationQuery = {}): LocationQueryRaw {
  const { status: _, workflow: __, ...rest } = query
  return { ...rest, ...(filters.status.length > 0 ? { status: filters.status.join(',') } : {}), ...(filters.workflow ? { workflow: filters.workflow } : {}) }
}
