import type { Outcome } from '@/api/types'

/** How an attempt ended: the key of its words, and the words that came with it. */
export function outcomeText(outcome: Outcome): { key: string; detail: string; code?: number } {
  switch (outcome.outcome) {
    case 'exited':
      return { key: 'outcome.exited', detail: '', code: outcome.exit.code }
    case 'refused':
    case 'lost':
      return { key: `outcome.${outcome.outcome}`, detail: outcome.reason }
    default:
      return { key: `outcome.${outcome.outcome}`, detail: '' }
  }
}
