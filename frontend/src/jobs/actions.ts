import { ElMessage } from 'element-plus'
import 'element-plus/es/components/message/style/css'
import { api, take } from '@/api/client'
import { asProblem } from '@/api/problem'
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

/** A few at a time: the API's rate limit is a person's, not a program's. */
export async function each<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<number> {
  let failed = 0
  const queue = [...items]
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      try {
        await work(item)
      } catch (thrown) {
        failed++
        if (failed === 1) ElMessage.error(asProblem(thrown).message)
      }
    }
  }
  await Promise.all([worker(), worker(), worker(), worker()])
  return failed
}
