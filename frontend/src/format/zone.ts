// Times as a clock in some zone shows them.

/** `2026-11-24 13:00 GMT+8`; the instant itself where the zone is unknown here. */
export function formatIn(at: string, zone: string): string {
  try {
    const parts = new Intl.DateTimeFormat('en-CA', {
      timeZone: zone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
      timeZoneName: 'shortOffset',
    }).formatToParts(new Date(at))
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((one) => one.type === type)?.value ?? ''
    return `${part('year')}-${part('month')}-${part('day')} ${part('hour')}:${part('minute')} ${part('timeZoneName')}`
  } catch {
    return at
  }
}

/** IANA zones that this browser knows. */
export const zones = (): string[] => ['UTC', ...Intl.supportedValuesOf('timeZone').filter((zone) => zone !== 'UTC')]

export const ownZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone
