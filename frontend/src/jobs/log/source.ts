import { shallowRef, triggerRef, watch } from 'vue'
import { api, take } from '@/api/client'
import { asProblem, type Problem } from '@/api/problem'
import type { Log } from '@/api/types'
import type { Message } from '@/live/reducer'
import { useLive } from '@/live/store'
import { Lines } from './lines'

type Piece = Extract<Message, { type: 'log' }>

const PART = 1024 * 1024

/** An attempt's whole log: what there is over HTTP, then what is pushed, without a hole and without a doubled byte. */
export function useLogSource(jobId: () => string, attempt: () => number | null, over: () => boolean) {
  const live = useLive()
  const lines = shallowRef(new Lines())
  const problem = shallowRef<Problem | null>(null)
  const loading = shallowRef(true)
  const complete = shallowRef(false)
  /** Where the part that we have ends, in bytes; null until the API has said so. */
  let end: number | null = null
  let decoder = new TextDecoder()
  let reading: Promise<void> | null = null
  let again = false
  let generation = 0

  function append(text: string): void {
    lines.value.append(text)
    triggerRef(lines)
  }

  async function read(): Promise<void> {
    const mine = generation
    const number = attempt()
    // Of a log that is whole nothing more comes, and its last part would come again
    if (complete.value) return
    if (number === null || number === 0) {
      loading.value = false
      return
    }
    const path = { id: jobId() }
    let query: { attempt?: number; offset?: number; after?: string; limit: number } = { attempt: number, limit: PART }
    if (end !== null) query.offset = end
    for (;;) {
      // It is JSON: nothing else was asked for
      const part = (await take(api.GET('/v1/jobs/{id}/log', { params: { path, query } }))) as Log
      if (mine !== generation) return
      // `next` leads on to the next attempt's log, which is another list
      if (part.attempt !== number) break
      append(part.text)
      if (part.text === '') end = part.offset
      if (part.text === '' || part.complete) {
        complete.value = part.complete
        break
      }
      query = { after: part.next, limit: PART }
    }
  }

  /** Reads on from where we are. One at a time; a call meanwhile makes it look once more. */
  function load(): Promise<void> {
    if (reading) {
      again = true
      return reading
    }
    const mine = generation
    reading = read()
      .then(
        () => {
          problem.value = null
        },
        (thrown: unknown) => {
          if (mine === generation) problem.value = asProblem(thrown)
        },
      )
      .finally(() => {
        reading = null
        if (mine === generation) loading.value = false
        if (again || mine !== generation) {
          again = false
          void load()
        }
      })
    return reading
  }

  function hear(piece: Piece): void {
    if (piece.attempt !== attempt() || complete.value) return
    if (end === null || reading || piece.offset > end) {
      void load()
      return
    }
    if (piece.offset < end) return
    if (piece.dropped > 0 && piece.offset - piece.dropped < end) {
      void load()
      return
    }
    if (piece.text !== null) append(decoder.decode() + piece.text)
    else if (piece.base64 !== null) append(decoder.decode(bytes(piece.base64), { stream: true }))
    end = piece.next
  }

  watch(
    [jobId, attempt],
    () => {
      generation++
      lines.value = new Lines()
      end = null
      decoder = new TextDecoder()
      complete.value = false
      loading.value = true
      problem.value = null
      void load()
    },
    { immediate: true },
  )
  watch(() => live.tick, load)
  watch(over, load)

  return { lines, problem, loading, complete, load, hear }
}

const bytes = (base64: string) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
