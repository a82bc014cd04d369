import { describe, expect, test } from 'vitest'
import { failovers, triesOf } from '@/jobs/placement'
import { cleanRun, event, offer } from './build'

const spot = { ...offer, region: 'US-TX-1', spot: true }

describe('the offers that were tried', () => {
  test('of a clean run are one, which ended with the job', () => {
    expect(triesOf(cleanRun()).map(({ became }) => became)).toEqual(['taken'])
    expect(failovers(triesOf(cleanRun()))).toBe(0)
  })

  test('name each refusal with its reason, and the one that was taken', () => {
    const tries = triesOf([
      event(1, { type: 'submitted', admitted: true }),
      event(2, { type: 'provisioning', attempt: 1, offer: spot }, 'provisioning'),
      event(3, { type: 'launch_refused', attempt: 1, offer: spot, reason: 'no machines' }),
      event(4, { type: 'provisioning', attempt: 1, offer }, 'provisioning'),
    ])
    expect(tries.map(({ became, reason, offer: { region } }) => [became, reason, region])).toEqual([
      ['refused', 'no machines', 'US-TX-1'],
      ['taken', null, 'EU-RO-1'],
    ])
    expect(failovers(tries)).toBe(1)
  })

  test('go on elsewhere after an instance that was lost', () => {
    const tries = triesOf([
      event(1, { type: 'provisioning', attempt: 1, offer: spot }, 'provisioning'),
      event(2, { type: 'attempt_ended', attempt: 1, outcome: { outcome: 'preempted' }, retry_in_seconds: 5 }),
      event(3, { type: 'provisioning', attempt: 2, offer }, 'provisioning'),
      event(4, { type: 'attempt_ended', attempt: 2, outcome: { outcome: 'timed_out' }, retry_in_seconds: null }),
    ])
    expect(tries.map(({ became }) => became)).toEqual(['failed_over', 'ended'])
  })
})
