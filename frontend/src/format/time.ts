/** ISO dates on a 24-hour clock, in the zone that is asked for: UTC, or the browser's where none is. */
export function formatTime(at: string | number | null | undefined, zone?: string, seconds = true): string | null {
  if (at === null || at === undefined) return null
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return null
  const parts: Record<string, string> = {}
  for (const part of inZone(zone).formatToParts(date)) parts[part.type] = part.value
  const clock = `${parts.hour}:${parts.minute}${seconds ? `:${parts.second}` : ''}`
  return `${parts.year}-${parts.month}-${parts.day} ${clock}`
}

const zones = new Map<string | undefined, Intl.DateTimeFormat>()

function inZone(zone: string | undefined): Intl.DateTimeFormat {
  let made = zones.get(zone)
  if (!made) {
    made = new Intl.DateTimeFormat('en-CA', {
      timeZone: zone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
    })
    zones.set(zone, made)
  }
  return made
}

export type Units = Record<'d' | 'h' | 'm' | 's', string>

/** A length of time in its two largest units: `1h 4m`, `12s`, `0.4s`. */
export function formatDuration(seconds: number | null | undefined, units: Units): string | null {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return null
  const total = Math.max(0, seconds)
  if (total < 10) return `${Math.round(total * 10) / 10}${units.s}`
  const whole = Math.round(total)
  const parts = [
    [Math.floor(whole / 86400), units.d],
    [Math.floor(whole / 3600) % 24, units.h],
    [Math.floor(whole / 60) % 60, units.m],
    [whole % 60, units.s],
  ] as const
  const first = parts.findIndex(([count]) => count > 0)
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ')
}

/** Seconds between two moments; null where one of them has not come. */
export function secondsBetween(from: string | null | undefined, to: string | number | null | undefined): number | null {
  if (!from || to === null || to === undefined) return null
  return (new Date(to).getTime() - new Date(from).getTime()) / 1000
}
