import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { effectScope, nextTick, ref } from 'vue'
import { useLogSource } from '@/jobs/log/source'
import { useLive } from '@/live/store'

let asked: string[]

beforeEach(() => {
  setActivePinia(createPinia())
  asked = []
  vi.stubGlobal('fetch', async (request: Request) => {
    asked.push(new URL(request.url).search)
    return Response.json({ attempt: 1, text: 'one\ntwo\n', offset: 0, next: '1-8', dropped: 0, complete: true })
  })
})
afterEach(() => vi.unstubAllGlobals())

test('a log that is whole is read once, however often pages are told to look again', async () => {
  const over = ref(false)
  const scope = effectScope()
  const source = scope.run(() => useLogSource(() => 'job_1', () => 1, () => over.value))!
  await vi.waitFor(() => expect(source.complete.value).toBe(true))
  useLive().tick++
  over.value = true
  await nextTick()
  await source.load()
  expect(source.lines.value.whole()).toBe('one\ntwo\n')
  expect(asked).toHaveLength(1)
  scope.stop()
})
