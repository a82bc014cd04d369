import { api, take } from '@/api/client'
import { asProblem, type Problem } from '@/api/problem'
import type { Job } from '@/api/types'
import { useLive } from '@/live/store'

export const isOver = (job: Job): boolean => job.ended_at !== null

export async function cancelJob(id: string): Promise<Job> {
  const job = await take(api.POST('/v1/jobs/{id}/cancel', { params: { path: { id } } }))
  useLive().put(job)
  return job
}

export async function restartJob(id: string, key: string): Promise<Job> {
  const job = await take(
    api.POST('/v1/jobs/{id}/restart', { params: { path: { id }, header: { 'Idempotency-Key': key } } }),
  )
  useLive().put(job)
  return job
}

/** A few at a time: the API's rate limit is a person's, not a program's. The first problem, if there was one. */
export async function each<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<Problem | null> {
  let first: Problem | null = null
  const queue = [...items]
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      try {
        await work(item)
      } catch (thrown) {
        first ??= asProblem(thrown)
      }
    }
  }
  await Promise.all([worker(), worker(), worker(), worker()])
  return first
}
