import { describe, expect, test } from 'vitest'
import { fromQuery, isFiltered, toParameters, toQuery } from '@/jobs/filters'

describe('the filters in the address', () => {
  test('come back as they were', () => {
    const filters = { ...fromQuery({}), status: ['running' as const, 'failed' as const], name: '训练 & <b>', tag: 'team:a' }
    const query = Object.fromEntries(new URLSearchParams(toQuery(filters) as Record<string, string>))
    expect(fromQuery(query)).toEqual(filters)
  })

  test('an address without any filters nothing', () => {
    expect(isFiltered(fromQuery({}))).toBe(false)
    expect(Object.values(toParameters(fromQuery({}))).every((value) => value === undefined)).toBe(true)
  })

  test('what is no status is left out', () => expect(fromQuery({ status: 'running,nonsense' }).status).toEqual(['running']))
})
