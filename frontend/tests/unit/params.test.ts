import { describe, expect, test } from 'vitest'
import { changed, fieldsOf, read } from '@/workflows/params'

const definition = {
  params: {
    epochs: { type: 'integer', minimum: 1, maximum: 9, default: 3, description: 'How long' },
    rate: { type: 'number', exclusiveMinimum: 0 },
    size: { enum: ['small', 'large', 3], default: 'small' },
    fast: { type: 'boolean', default: false },
    name: { type: 'string' },
    rates: { type: 'array', default: [0.1, 0.3] },
  },
}
const fields = fieldsOf(definition)
const texts = (change: Record<string, string> = {}) => ({ ...Object.fromEntries(fields.map(({ name, text }) => [name, text])), ...change })

describe('a form out of the parameters', () => {
  test('has a field for each with its kind, its bounds and its default', () => {
    expect(fields.map(({ name, kind, required, text }) => [name, kind, required, text])).toEqual([
      ['epochs', 'number', false, '3'],
      ['rate', 'number', true, ''],
      ['size', 'choice', false, 'small'],
      ['fast', 'boolean', false, 'false'],
      ['name', 'text', true, ''],
      ['rates', 'json', false, '[0.1,0.3]'],
    ])
    expect(fields[0]).toMatchObject({ integer: true, minimum: 1, maximum: 9, description: 'How long' })
    expect(fields[2]?.choices).toEqual(['small', 'large', '3'])
  })

  test('of a definition without any is empty', () => {
    expect(fieldsOf({})).toEqual([])
    expect(fieldsOf(null)).toEqual([])
  })

  test('sends what was changed and what has no default, each with its type', () => {
    const { params, wrong } = changed(fields, texts({ rate: '0.5', name: '训练', size: '3', fast: 'true', rates: '[1]' }), definition)
    expect(wrong).toEqual({})
    expect(params).toEqual({ rate: 0.5, name: '训练', size: 3, fast: true, rates: [1] })
  })

  test('says what is missing, no number, and no JSON', () => {
    const { wrong } = changed(fields, texts({ epochs: '1.5', rates: '[1' }), definition)
    expect(wrong).toEqual({ epochs: 'number', rate: 'missing', name: 'missing', rates: 'json' })
  })

  test('an emptied field goes back to the default', () => expect(changed(fields, texts({ epochs: '', rate: '1', name: 'a' }), definition).params).toEqual({ rate: 1, name: 'a' }))

  test('of an earlier run begins with its values, and sends only what is another one', () => {
    const again = fieldsOf(definition, { epochs: 5, rate: 0.1, size: 3, name: 'a', rates: [2] })
    expect(again.map(({ text }) => text)).toEqual(['5', '0.1', '3', 'false', 'a', '[2]'])
    const before = Object.fromEntries(again.map(({ name, text }) => [name, text]))
    expect(changed(again, { ...before, epochs: '6' }, definition).params).toEqual({ epochs: 6, rate: 0.1, name: 'a' })
  })
})

test('a number is a number, not a text', () => expect(read(fields[0]!, '7', definition)).toEqual({ value: 7 }))
