import type { Happening, Job, JobEvent } from '@/api/types'

/** The smallest job; a test says what matters to it. */
export function job(change: Partial<Job> = {}): Job {
  return {
    id: 'job_1',
    owner: 'usr_1',
    name: 'one',
    description: null,
    status: 'queued',
    reason: null,
    admitted: true,
    cancel_requested_at: null,
    image: 'busybox',
    command: ['true'],
    env: {},
    secret_env: [],
    gpu: { model: null, count: 1, memory_gib: null },
    cpus: null,
    memory_gib: null,
    disk_gib: 20,
    spot: 'never',
    max_price_per_hour: null,
    max_cost: null,
    secrets: {},
    waits_for: null,
    strategy: 'cost',
    preferred_providers: [],
    forbidden_providers: [],
    preferred_regions: [],
    forbidden_regions: [],
    timeout_seconds: 86400,
    queue_timeout_seconds: 86400,
    retry: {},
    priority: 'normal',
    tags: {},
    metadata: {},
    attempt: 0,
    attempt_id: null,
    progress: null,
    placement: null,
    price_per_hour: null,
    cost: [],
    submitted_at: '2026-01-02T03:04:00Z',
    updated_at: '2026-01-02T03:04:00Z',
    admitted_at: null,
    started_at: null,
    ended_at: null,
    deadline: null,
    seconds_to_start: null,
    seconds_running: null,
    exit: null,
    restart_of: null,
    version: 1,
    seq: 1,
    links: { self: '', log: '', events: '', metrics: '', attempts: '', cost: '' },
    ...change,
  } as Job
}

export const offer = {
  provider: 'runpod',
  region: 'EU-RO-1',
  gpu: 'RTX 4090',
  gpu_count: 1,
  gpu_memory_gib: 24,
  instance_type: 'NVIDIA RTX 4090',
  cpus: null,
  memory_gib: null,
  spot: false,
  price_per_hour: { amount: '0.440000', currency: 'USD' },
}

const start = Date.parse('2026-01-02T03:04:00Z')

/** An event that many seconds after the submission. */
export function event(seq: number, happening: Happening, status: Job['status'] = 'queued', after = seq, id = 'job_1'): JobEvent {
  return { job_id: id, seq, at: new Date(start + after * 1000).toISOString(), status, event: happening }
}

/** The history of a job that runs cleanly. */
export function cleanRun(): JobEvent[] {
  return [
    event(1, { type: 'submitted', admitted: true }),
    event(2, { type: 'provisioning', attempt: 1, offer }, 'provisioning'),
    event(3, { type: 'instance_created', attempt: 1, instance: 'pod-1' }, 'provisioning'),
    event(4, { type: 'running', attempt: 1 }, 'running'),
    event(
      5,
      { type: 'ended', exit: { code: 0, reason: 'exited', at: '2026-01-02T03:04:05Z', output: null, output_error: null }, reason: null },
      'succeeded',
    ),
  ]
}
