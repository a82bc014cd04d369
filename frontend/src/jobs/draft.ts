// The submit form's fields, and their two translations: to the request, and from a request or an earlier job.
import type { Job, Money, RankOffers, SubmitJob } from '@/api/types'
import { shortAmount } from '@/format/money'

export type CommandMode = 'script' | 'words'

export interface Draft {
  name: string
  description: string
  image: string
  mode: CommandMode
  script: string
  /** One word a line; a line break within a word is written `\n`. */
  words: string
  env: string
  tags: string
  gpuModel: string
  gpuCount: number
  gpuMemory: number | undefined
  cpus: number | undefined
  memory: number | undefined
  disk: number | undefined
  spot: NonNullable<SubmitJob['spot']>
  maxPrice: string
  currency: 'USD' | 'CNY'
  maxCost: string
  costCurrency: 'USD' | 'CNY'
  /** Lines of `VARIABLE=secret`; a variable alone names the secret of the same name. */
  secretNames: string
  strategy: NonNullable<SubmitJob['strategy']>
  preferredProviders: string
  forbiddenProviders: string
  preferredRegions: string
  forbiddenRegions: string
  timeoutMinutes: number
  queueTimeoutMinutes: number
  priority: NonNullable<SubmitJob['priority']>
  maxAttempts: number
  retryOn: NonNullable<NonNullable<SubmitJob['retry']>['on']>
  exitCodes: string
  backoff: number
  /** What the form has no field for; it is sent as it came. */
  metadata: SubmitJob['metadata']
}

export function emptyDraft(): Draft {
  return {
    name: '',
    description: '',
    image: '',
    mode: 'script',
    script: '',
    words: '',
    env: '',
    tags: '',
    gpuModel: '',
    gpuCount: 1,
    gpuMemory: undefined,
    cpus: undefined,
    memory: undefined,
    disk: undefined,
    spot: 'never',
    maxPrice: '',
    currency: 'USD',
    maxCost: '',
    costCurrency: 'USD',
    secretNames: '',
    strategy: 'cost',
    preferredProviders: '',
    forbiddenProviders: '',
    preferredRegions: '',
    forbiddenRegions: '',
    timeoutMinutes: 1440,
    queueTimeoutMinutes: 1440,
    priority: 'normal',
    maxAttempts: 3,
    retryOn: ['preemption', 'lost_instance'],
    exitCodes: '',
    backoff: 5,
    metadata: undefined,
  }
}

const list = (text: string) => text.split(/[\s,，]+/).filter(Boolean)
const some = <T>(items: T[]): T[] | undefined => (items.length > 0 ? items : undefined)

/** Lines of `NAME=value`; a line without `=` has an empty value. */
export function parsePairs(text: string): Record<string, string> | undefined {
  const pairs: [string, string][] = []
  for (const line of text.split('\n')) {
    if (!line.trim()) continue
    const at = line.indexOf('=')
    pairs.push(at < 0 ? [line.trim(), ''] : [line.slice(0, at).trim(), line.slice(at + 1)])
  }
  return pairs.length > 0 ? Object.fromEntries(pairs) : undefined
}

export const showPairs = (pairs: Record<string, string> | undefined): string =>
  Object.entries(pairs ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')

const showWord = (word: string) => word.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
const readWord = (line: string) => line.replace(/\\(n|\\)/g, (_, sign) => (sign === 'n' ? '\n' : '\\'))

function command(draft: Draft): string[] {
  if (draft.mode === 'script') return draft.script.trim() ? ['sh', '-c', draft.script] : []
  return draft.words.split('\n').filter((line) => line !== '').map(readWord)
}

/** The request without what equals its default, so that the JSON beside the form stays readable. */
export function toRequest(draft: Draft, secrets: Record<string, string> = {}): SubmitJob {
  const request: SubmitJob = {
    ...toNeed(draft),
    name: draft.name || undefined,
    description: draft.description || undefined,
    image: draft.image.trim(),
    command: command(draft),
    env: parsePairs(draft.env),
    secret_env: Object.keys(secrets).length > 0 ? secrets : undefined,
    disk_gib: draft.disk || undefined,
    secrets: names(draft.secretNames),
    max_cost: price(draft.maxCost, draft.costCurrency),
    timeout_seconds: Math.round(draft.timeoutMinutes * 60),
    queue_timeout_seconds: draft.queueTimeoutMinutes === 1440 ? undefined : Math.round(draft.queueTimeoutMinutes * 60),
    priority: draft.priority === 'normal' ? undefined : draft.priority,
    retry: retry(draft),
    tags: parsePairs(draft.tags),
    metadata: draft.metadata,
  }
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined)) as SubmitJob
}

function price(amount: string, currency: 'USD' | 'CNY') {
  return amount.trim() ? { amount: amount.trim(), currency } : undefined
}

function names(text: string): Record<string, string> | undefined {
  const pairs = parsePairs(text)
  return pairs && Object.fromEntries(Object.entries(pairs).map(([variable, secret]) => [variable, secret.trim() || variable]))
}

const showNames = (secrets: SubmitJob['secrets']): string => (Array.isArray(secrets) ? secrets.join('\n') : showPairs(secrets))

function retry(draft: Draft): SubmitJob['retry'] {
  const first = emptyDraft()
  const same =
    draft.maxAttempts === first.maxAttempts &&
    draft.backoff === first.backoff &&
    draft.exitCodes.trim() === '' &&
    [...draft.retryOn].sort().join() === [...first.retryOn].sort().join()
  if (same) return undefined
  return {
    max_attempts: draft.maxAttempts,
    on: draft.retryOn,
    exit_codes: list(draft.exitCodes).map(Number).filter(Number.isInteger),
    backoff_seconds: draft.backoff,
  }
}

/** What an offer has to satisfy: the part of the request that ranks. */
export function toNeed(draft: Draft): RankOffers {
  const need: RankOffers = {
    gpu: { model: draft.gpuModel.trim() || undefined, count: draft.gpuCount, memory_gib: draft.gpuMemory || undefined },
    cpus: draft.cpus || undefined,
    memory_gib: draft.memory || undefined,
    spot: draft.spot === 'never' ? undefined : draft.spot,
    max_price_per_hour: price(draft.maxPrice, draft.currency),
    strategy: draft.strategy === 'cost' ? undefined : draft.strategy,
    preferred_providers: some(list(draft.preferredProviders)),
    forbidden_providers: some(list(draft.forbiddenProviders)),
    preferred_regions: some(list(draft.preferredRegions)),
    forbidden_regions: some(list(draft.forbiddenRegions)),
  }
  return JSON.parse(JSON.stringify(need)) as RankOffers
}

/** The form that makes this request. */
export function fromRequest(request: Partial<SubmitJob>): Draft {
  const first = emptyDraft()
  const words = request.command ?? []
  const script = words.length === 3 && /^(\/bin\/)?(ba)?sh$/.test(words[0] ?? '') && words[1] === '-c'
  const plain = script && words[0] === 'sh'
  return {
    ...first,
    name: request.name ?? '',
    description: request.description ?? '',
    image: request.image ?? '',
    mode: plain || words.length === 0 ? 'script' : 'words',
    script: plain ? (words[2] ?? '') : '',
    words: plain ? '' : words.map(showWord).join('\n'),
    env: showPairs(request.env),
    tags: showPairs(request.tags),
    gpuModel: request.gpu?.model ?? '',
    gpuCount: request.gpu?.count ?? 1,
    gpuMemory: request.gpu?.memory_gib ?? undefined,
    cpus: request.cpus ?? undefined,
    memory: request.memory_gib ?? undefined,
    disk: request.disk_gib ?? undefined,
    spot: request.spot ?? first.spot,
    maxPrice: shortAmount(request.max_price_per_hour?.amount),
    currency: request.max_price_per_hour?.currency ?? 'USD',
    maxCost: shortAmount(request.max_cost?.amount),
    costCurrency: request.max_cost?.currency ?? 'USD',
    secretNames: showNames(request.secrets),
    strategy: request.strategy ?? first.strategy,
    preferredProviders: (request.preferred_providers ?? []).join(', '),
    forbiddenProviders: (request.forbidden_providers ?? []).join(', '),
    preferredRegions: (request.preferred_regions ?? []).join(', '),
    forbiddenRegions: (request.forbidden_regions ?? []).join(', '),
    timeoutMinutes: (request.timeout_seconds ?? 86400) / 60,
    queueTimeoutMinutes: (request.queue_timeout_seconds ?? 86400) / 60,
    priority: request.priority ?? first.priority,
    maxAttempts: request.retry?.max_attempts ?? first.maxAttempts,
    retryOn: request.retry?.on ?? first.retryOn,
    exitCodes: (request.retry?.exit_codes ?? []).join(', '),
    backoff: request.retry?.backoff_seconds ?? first.backoff,
    metadata: request.metadata,
  }
}

/** The form for the same job once more. Its secrets are never shown again, so they have to be given anew. */
export function fromJob(job: Job): Draft {
  const given = (money: Money | null) =>
    money ? { amount: money.amount, currency: money.currency === 'CNY' ? ('CNY' as const) : ('USD' as const) } : undefined
  return fromRequest({
    ...job,
    max_price_per_hour: given(job.max_price_per_hour),
    max_cost: given(job.max_cost),
    metadata: Object.keys(job.metadata).length > 0 ? job.metadata : undefined,
    secret_env: undefined,
  })
}
