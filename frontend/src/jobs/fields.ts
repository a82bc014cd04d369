/** The form's field for a path of the request: `gpu.model`, `env.A B`, `command[0]`. */
const byPath: Record<string, string> = {
  name: 'name',
  description: 'description',
  image: 'image',
  command: 'command',
  env: 'env',
  secret_env: 'secrets',
  tags: 'tags',
  'gpu.model': 'gpuModel',
  'gpu.count': 'gpuCount',
  'gpu.memory_gib': 'gpuMemory',
  gpu: 'gpuModel',
  cpus: 'cpus',
  memory_gib: 'memory',
  disk_gib: 'disk',
  max_cost: 'maxCost',
  secrets: 'secretNames',
  max_price_per_hour: 'maxPrice',
  timeout_seconds: 'timeout',
  queue_timeout_seconds: 'queueTimeout',
  preferred_providers: 'preferredProviders',
  forbidden_providers: 'forbiddenProviders',
  preferred_regions: 'preferredRegions',
  forbidden_regions: 'forbiddenRegions',
  'retry.max_attempts': 'maxAttempts',
  'retry.exit_codes': 'exitCodes',
  'retry.backoff_seconds': 'backoff',
}

export function fieldKey(path: string): string {
  if (byPath[path]) return byPath[path]
  const parts = path.split(/[.[]/)
  for (let length = parts.length - 1; length > 0; length--) {
    const found = byPath[parts.slice(0, length).join('.')]
    if (found) return found
  }
  return path
}
