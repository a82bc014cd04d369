import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import en from '@/i18n/en'
import zh from '@/i18n/zh'
import { createI18n } from 'vue-i18n'

interface Tree {
  [key: string]: string | Tree
}

function flat(words: Tree, prefix = ''): Map<string, string> {
  return new Map(
    Object.entries(words).flatMap(([key, value]) =>
      typeof value === 'string' ? [[prefix + key, value] as const] : [...flat(value, `${prefix}${key}.`)],
    ),
  )
}

const english = flat(en)
const chinese = flat(zh)
const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort()

describe('both languages', () => {
  test('have the same words', () => expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort()))

  test('fill in the same figures', () => {
    for (const [key, text] of english) expect(holes(chinese.get(key) ?? ''), key).toEqual(holes(text))
  })

  test('can be written: none holds a sign that stands for something else', () => {
    const { global } = createI18n({ legacy: false, locale: 'en', messages: { en, zh } as unknown as Record<string, Record<string, string>> })
    for (const locale of ['en', 'zh']) for (const key of english.keys()) expect(() => global.t(key, {}, { locale }), `${locale} ${key}`).not.toThrow()
    expect(global.t('schedules.cronHint')).toContain('@hourly')
  })

  test('are translated', () => {
    const same = [...english].filter(([key, text]) => chinese.get(key) === text && /[a-z]{4}/i.test(text))
    expect(same).toEqual([])
  })

  test('have a word for every value that the API may give', async () => {
    const { components } = JSON.parse(await readFile(new URL('../../../functions/jobs/src/openapi.json', import.meta.url), 'utf8'))
    const enumOf = (name: string): string[] => components.schemas[name].enum
    const kinds = (name: string, tag: string): string[] => components.schemas[name].oneOf.map((one: { properties: Record<string, { enum: string[] }> }) => one.properties[tag]!.enum[0])
    const values: Record<string, string[]> = {
      status: enumOf('Status'),
      stock: enumOf('Stock'),
      strategy: enumOf('Strategy'),
      priority: enumOf('Priority'),
      role: enumOf('Role'),
      providerStatus: enumOf('ProviderStatus'),
      exit: enumOf('ExitReason'),
      'submit.spotChoice': enumOf('Spot'),
      retry: enumOf('RetryOn'),
      'budget.alert': enumOf('BudgetLevel'),
      'budget.of': enumOf('BudgetScope'),
      nodeKind: enumOf('NodeKind'),
      nodeStatus: enumOf('NodeStatus'),
      runStatus: enumOf('RunStatus'),
      runEvent: kinds('RunHappening', 'type'),
      stop: enumOf('Stop'),
      failurePolicy: enumOf('FailurePolicy'),
      sharing: enumOf('Sharing'),
      catchUp: enumOf('CatchUp'),
      overlap: enumOf('Overlap'),
      origin: kinds('RunOrigin', 'type'),
      notificationEvent: enumOf('NotificationEvent').map((name) => name.replace('.', '_')),
      deliveryState: enumOf('DeliveryState'),
      outcome: kinds('Outcome', 'outcome'),
      event: kinds('Happening', 'type'),
    }
    const missing = Object.entries(values).flatMap(([prefix, names]) => names.map((name) => `${prefix}.${name}`).filter((key) => !english.has(key)))
    expect(Object.values(values).flat().length).toBeGreaterThan(50)
    expect(missing).toEqual([])
  })

  test('have a word for every key that the pages name', async () => {
    const folder = new URL('../../src/', import.meta.url)
    const files = (await readdir(folder, { recursive: true })).filter((name) => /\.(vue|ts)$/.test(name) && !name.startsWith('i18n'))
    const unknown: string[] = []
    let seen = 0
    for (const file of files) {
      const source = await readFile(new URL(file, folder), 'utf8')
      for (const [, key = ''] of source.matchAll(/\bt\(\s*'([\w. /?]+)'/g)) {
        seen++
        if (!english.has(key)) unknown.push(`${file}: ${key}`)
      }
      // Of a key that is put together, the part before the first figure has to exist
      for (const [, key = ''] of source.matchAll(/\bt\(\s*`([\w.]+)\.\$\{/g)) {
        seen++
        if (![...english.keys()].some((known) => known.startsWith(`${key}.`))) unknown.push(`${file}: ${key}.…`)
      }
    }
    expect(seen).toBeGreaterThan(100)
    expect(unknown).toEqual([])
  })
})
