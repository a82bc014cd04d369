import { describe, expect, test } from 'vitest'
import { emptyDraft, fromJob, fromRequest, parsePairs, toNeed, toRequest } from '@/jobs/draft'
import { fieldKey } from '@/jobs/fields'
import { job } from './build'

describe('the submit form', () => {
  test('sends what was filled in and no defaults', () => {
    expect(toRequest({ ...emptyDraft(), image: ' busybox ', script: 'echo hi' })).toEqual({
      image: 'busybox',
      command: ['sh', '-c', 'echo hi'],
      timeout_seconds: 86400,
      gpu: { count: 1 },
    })
  })

  test('gives back a request as it was', () => {
    const request = {
      name: 'n',
      description: 'two\nlines',
      image: 'repo/image:1',
      command: ['python', '-c', 'print("a\\n")\nprint(2)'],
      env: { A: 'x=y', B: '' },
      gpu: { model: 'A100 SXM', count: 4, memory_gib: 80 },
      cpus: 8,
      memory_gib: 64,
      disk_gib: 100,
      spot: 'prefer' as const,
      max_price_per_hour: { amount: '1.5', currency: 'CNY' as const },
      max_cost: { amount: '20', currency: 'USD' as const },
      secrets: { HF_TOKEN: 'hf', OTHER: 'OTHER' },
      strategy: 'balanced' as const,
      preferred_providers: ['runpod', 'alibaba'],
      forbidden_regions: ['cn-hangzhou'],
      timeout_seconds: 90,
      queue_timeout_seconds: 600,
      retry: { max_attempts: 5, on: ['exit_code' as const], exit_codes: [75, 137], backoff_seconds: 0 },
      priority: 'high' as const,
      tags: { team: 'research' },
      metadata: { any: { thing: 1 } },
    }
    expect(toRequest(fromRequest(request))).toEqual(request)
  })

  test('ranks by what an offer has to satisfy, and by nothing else', () => {
    const draft = fromRequest({ image: 'x', command: ['y'], gpu: { model: 'L4', count: 2 }, spot: 'only', tags: { a: 'b' } })
    expect(toNeed(draft)).toEqual({ gpu: { model: 'L4', count: 2 }, spot: 'only' })
  })

  test('a clone has no secrets', () => {
    const clone = toRequest(fromJob(job({ secret_env: ['TOKEN'], max_price_per_hour: { amount: '2.000000', currency: 'USD' } })))
    expect(clone.secret_env).toBeUndefined()
    expect(clone.max_price_per_hour).toEqual({ amount: '2', currency: 'USD' })
    expect(clone.command).toEqual(['true'])
  })

  test('pairs keep what is behind the first =', () => {
    expect(parsePairs('A=1\n\nB=x=y\nC')).toEqual({ A: '1', B: 'x=y', C: '' })
    expect(parsePairs('  \n')).toBeUndefined()
  })
})

test.each([
  ['image', 'image'],
  ['gpu.model', 'gpuModel'],
  ['command[3]', 'command'],
  ['env.A B', 'env'],
  ['retry.exit_codes[0]', 'exitCodes'],
  ['max_price_per_hour.amount', 'maxPrice'],
  ['somewhere.else', 'somewhere.else'],
])('a problem with %s is shown at %s', (path, field) => expect(fieldKey(path)).toBe(field))
