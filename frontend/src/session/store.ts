import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { onSessionOver, refresh, setToken } from '@/api/access'
import { api, take } from '@/api/client'
import type { Session, User } from '@/api/types'
import { useLive } from '@/live/store'

/** Who is signed in. */
export const useSession = defineStore('session', () => {
  const user = ref<User | null>(null)
  /** Whether the session ended by itself: the sign-in page says so. */
  const expired = ref(false)
  const live = useLive()
  let restoring: Promise<void> | null = null

  function begin(session: Session): void {
    setToken(session.access_token)
    user.value = session.user
    expired.value = false
    live.start()
  }

  function end(): void {
    setToken(null)
    user.value = null
    live.stop()
  }

  /** Continues the session of an earlier visit, once. */
  function restore(): Promise<void> {
    restoring ??= refresh().then(
      (session) => session && begin(session),
      () => undefined,
    ) as Promise<void>
    return restoring
  }

  async function signIn(email: string, password: string): Promise<void> {
    begin(await take(api.POST('/v1/auth/login', { body: { email, password } })))
  }

  async function register(email: string, password: string): Promise<void> {
    begin(await take(api.POST('/v1/auth/register', { body: { email, password } })))
  }

  async function signOut(): Promise<void> {
    try {
      await take(api.POST('/v1/auth/logout'))
    } finally {
      end()
    }
  }

  onSessionOver(() => {
    // Several requests may find it out, and the later ones find nobody signed in any more
    if (user.value !== null) expired.value = true
    end()
  })

  return { user, expired, isAdmin: computed(() => user.value?.role === 'admin'), restore, signIn, register, signOut }
})
