import type { LocationQuery, LocationQueryRaw } from 'vue-router'
import type { Job, Status } from '@/api/types'

export const statuses: readonly Status[] = ['queued', 'provisioning', 'running', 'succeeded', 'failed', 'cancelled', 'timed_out']

/** Which jobs the list shows. It lives in the page's address. */
export interface Filters {
  status: Status[]
  name: string
  provider: string
  tag: string
  since: string
  until: string
  owner: string
}

const texts = ['name', 'provider', 'tag', 'since', 'until', 'owner'] as const

export function fromQuery(query: LocationQuery): Filters {
  const text = (key: string) => (typeof query[key] === 'string' ? query[key] : '')
  return {
    status: text('status').split(',').filter((word): word is Status => statuses.includes(word as Status)),
    name: text('name'),
    provider: text('provider'),
    tag: text('tag'),
    since: text('since'),
    until: text('until'),
    owner: text('owner'),
  }
}

export function toQuery(filters: Filters): LocationQueryRaw {
  const query: LocationQueryRaw = {}
  if (filters.status.length > 0) query.status = filters.status.join(',')
  for (const key of texts) if (filters[key]) query[key] = filters[key]
  return query
}

function instant(local: string): string | undefined {
  const date = new Date(local)
  return local && !Number.isNaN(date.getTime()) ? date.toISOString() : undefined
}

/** The filters as the API takes them. */
export function toParameters(filters: Filters) {
  return {
    status: filters.status.length > 0 ? filters.status : undefined,
    name: filters.name || undefined,
    provider: filters.provider || undefined,
    tag: filters.tag || undefined,
    submitted_after: instant(filters.since),
    submitted_before: instant(filters.until),
    owner: filters.owner || undefined,
  }
}

/** Whether a job that has changed still belongs into the list. */
export function matches(filters: Filters, job: Job): boolean {
  return filters.status.length === 0 || filters.status.includes(job.status)
}

export const isFiltered = (filters: Filters): boolean => Object.keys(toQuery(filters)).length > 0
