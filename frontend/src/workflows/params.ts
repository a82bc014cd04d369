// A form out of the parameters of a definition, each of which is a JSON Schema. The API has the last word on every value.

export type Schema = Readonly<Record<string, unknown>>

export type Kind = 'number' | 'boolean' | 'choice' | 'text' | 'json'

export interface Field {
  name: string
  kind: Kind
  integer: boolean
  description: string
  /** One without a default has to be given. */
  required: boolean
  minimum: number | null
  maximum: number | null
  /** Texts of the values that it may have. */
  choices: readonly string[]
  /** The default as it is written in the form. */
  text: string
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const numberOr = (value: unknown): number | null => (typeof value === 'number' ? value : null)

/** A value as it stands in the form. */
export function write(value: unknown, kind: Kind): string {
  if (value === undefined) return ''
  if (kind === 'json' || kind === 'choice') return kind === 'choice' && typeof value === 'string' ? value : JSON.stringify(value)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function kindOf(schema: Schema): Kind {
  if (Array.isArray(schema.enum)) return 'choice'
  switch (schema.type) {
    case 'integer':
    case 'number':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'string':
      return 'text'
    default:
      return 'json'
  }
}

/** The fields of `params` in a definition; values of an earlier run take the place of defaults. */
export function fieldsOf(definition: unknown, values: Readonly<Record<string, unknown>> = {}): Field[] {
  const params = isObject(definition) && isObject(definition.params) ? definition.params : {}
  return Object.entries(params).map(([name, given]) => {
    const schema: Schema = isObject(given) ? given : {}
    const kind = kindOf(schema)
    const choices = Array.isArray(schema.enum) ? schema.enum.map((value) => write(value, 'choice')) : []
    return {
      name,
      kind,
      integer: schema.type === 'integer',
      description: typeof schema.description === 'string' ? schema.description : '',
      required: !('default' in schema),
      minimum: numberOr(schema.minimum) ?? numberOr(schema.exclusiveMinimum),
      maximum: numberOr(schema.maximum) ?? numberOr(schema.exclusiveMaximum),
      choices,
      text: write(name in values ? values[name] : schema.default, kind),
    }
  })
}

export type Read = { value: unknown } | { wrong: 'missing' | 'number' | 'json' }

/** What was written, as the value that is sent; undefined where nothing was and the default holds. */
export function read(field: Field, text: string, definition: unknown): Read {
  if (text === '' && (field.kind !== 'text' || field.required)) return field.required ? { wrong: 'missing' } : { value: undefined }
  switch (field.kind) {
    case 'number': {
      const value = Number(text)
      return Number.isFinite(value) && (!field.integer || Number.isInteger(value)) ? { value } : { wrong: 'number' }
    }
    case 'boolean':
      return { value: text === 'true' }
    case 'choice': {
      const params = isObject(definition) && isObject(definition.params) ? definition.params : {}
      const schema = isObject(params[field.name]) ? (params[field.name] as Schema) : {}
      const values = Array.isArray(schema.enum) ? (schema.enum as unknown[]) : []
      return { value: values.find((value) => write(value, 'choice') === text) ?? text }
    }
    case 'text':
      return { value: text }
    case 'json':
      try {
        return { value: JSON.parse(text) as unknown }
      } catch {
        return { wrong: 'json' }
      }
  }
}

/** What is sent: only what is not the default or the earlier value, so that the workflow's own defaults stay its own. */
export function changed(fields: readonly Field[], texts: Readonly<Record<string, string>>, definition: unknown): { params: Record<string, unknown>; wrong: Record<string, 'missing' | 'number' | 'json'> } {
  const params: Record<string, unknown> = {}
  const wrong: Record<string, 'missing' | 'number' | 'json'> = {}
  for (const field of fields) {
    const text = texts[field.name] ?? ''
    if (text === field.text && (!field.required || text !== '')) {
      if (field.required) {
        const answer = read(field, text, definition)
        if ('value' in answer) params[field.name] = answer.value
      }
      continue
    }
    const answer = read(field, text, definition)
    if ('wrong' in answer) wrong[field.name] = answer.wrong
    else if (answer.value !== undefined) params[field.name] = answer.value
  }
  return { params, wrong }
}
