import { expect, test } from 'vitest'
import { splitStart } from '@/jobs/start'
import { cleanRun, event, offer } from './build'

const at = (seconds: number) => Date.parse('2026-01-02T03:04:00Z') + seconds * 1000

test('the time to start is split by what it was spent on', () => {
  const events = [
    event(1, { type: 'submitted', admitted: false }, 'queued', 0),
    event(2, { type: 'admitted' }, 'queued', 10),
    event(3, { type: 'provisioning', attempt: 1, offer }, 'provisioning', 12),
    event(4, { type: 'launch_refused', attempt: 1, offer, reason: 'no capacity' }, 'queued', 15),
    event(5, { type: 'waiting_for_capacity', reason: 'sold out', retry_in_seconds: 15 }, 'queued', 16),
    event(6, { type: 'provisioning', attempt: 2, offer }, 'provisioning', 31),
    event(7, { type: 'instance_created', attempt: 2, instance: 'pod' }, 'provisioning', 33),
    event(8, { type: 'running', attempt: 2 }, 'running', 73),
    event(9, { type: 'ended', exit: null, reason: null }, 'succeeded', 500),
  ]
  expect(splitStart(events, at(900))).toEqual([
    { cause: 'quota', seconds: 10 },
    { cause: 'capacity', seconds: 18 },
    { cause: 'refused', seconds: 3 },
    { cause: 'launch', seconds: 2 },
    { cause: 'boot', seconds: 40 },
  ])
})

test('while it waits the last part grows', () => {
  const events = cleanRun().slice(0, 3)
  expect(splitStart(events, at(63)).find(({ cause }) => cause === 'boot')).toEqual({ cause: 'boot', seconds: 60 })
})

test('a job that ended without a run stopped waiting then', () => {
  const events = [event(1, { type: 'submitted', admitted: false }, 'queued', 0), event(2, { type: 'ended', exit: null, reason: 'cancelled' }, 'cancelled', 5)]
  expect(splitStart(events, at(900))).toEqual([{ cause: 'quota', seconds: 5 }])
})
