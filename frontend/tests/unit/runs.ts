import type { NodeStatus, RunDetail, RunEvent, RunNode } from '@/api/types'

const start = Date.parse('2026-01-02T03:04:00Z')
export const at = (seconds: number): string => new Date(start + seconds * 1000).toISOString()

/** The smallest run; a test says what matters to it. */
export function run(change: Partial<RunDetail> = {}): RunDetail {
  return {
    id: 'run_1',
    owner: 'usr_1',
    workflow_id: 'wfl_1',
    workflow_version: 1,
    name: 'one',
    origin: { type: 'manual' },
    status: 'running',
    reason: null,
    nodes: 2,
    counts: { waiting: 2, ready: 0, running: 0, succeeded: 0, failed: 0, timed_out: 0, skipped: 0, cancelled: 0, upstream_failed: 0 },
    cost: [],
    failure_policy: 'fail_fast',
    priority: 'normal',
    stop: null,
    failing: null,
    started_at: at(0),
    ended_at: null,
    deadline: at(604_800),
    seconds: 0,
    updated_at: at(0),
    seq: 1,
    links: { self: '', nodes: '', events: '', graph: '', workflow: '' },
    params: {},
    critical_path: null,
    ...change,
  } as RunDetail
}

export function node(name: string, change: Partial<RunNode> = {}): RunNode {
  return {
    node: name,
    step: 0,
    kind: 'job',
    item: null,
    status: 'waiting',
    reason: null,
    attempt: 0,
    job_id: null,
    earlier_jobs: [],
    output: null,
    output_omitted: false,
    started_at: null,
    ended_at: null,
    deadline: null,
    seconds: null,
    items: null,
    cached_from: null,
    kept_from: null,
    cost: [],
    link: '',
    ...change,
  }
}

type Happening = RunEvent['event']

export function happened(seq: number, event: Happening, status: RunEvent['status'] = 'running'): RunEvent {
  return { run_id: 'run_1', seq, at: at(seq), status, event }
}

export function became(seq: number, name: string, status: NodeStatus, more: Partial<Extract<Happening, { type: 'node' }>> = {}): RunEvent {
  return happened(seq, { type: 'node', node: name, item: null, node_status: status, attempt: 1, job_id: null, items: null, reason: null, cached_from: null, ...more })
}

export const started = happened(1, { type: 'started', origin: { type: 'manual' } })
