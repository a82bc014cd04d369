import type { RunOrigin } from '@/api/types'

type Say = (key: string, values?: Record<string, unknown>) => string

/** Why a run was started, in words. */
export function originText(origin: RunOrigin, t: Say, time: (at: string, seconds: boolean) => string): string {
  switch (origin.type) {
    case 'schedule':
      return t('origin.schedule', { time: time(origin.slot, false) })
    case 'retry':
      return t('origin.retry', { node: origin.node })
    default:
      return t(`origin.${origin.type}`)
  }
}

/** The run that one goes on with or repeats; null if there is none. */
export const originRun = (origin: RunOrigin): string | null => ('of' in origin ? origin.of : null)
