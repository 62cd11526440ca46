import { z } from 'zod'
import { Config, type Restarts } from './schema.js'

/** One key of the configuration as people are told of it. `schedule[].cron` is a key of each entry of a list. */
export interface ConfigKey {
  readonly key: string
  readonly help: string
  /** Type and range in words: 'integer 5 to 3600', 'one of auto, 5, 3.1.1'. */
  readonly range: string
  /** undefined: no default, the key may be absent. */
  readonly default: unknown
  readonly restarts: Restarts
}

interface JsonSchema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly minimum?: number
  readonly maximum?: number
  readonly pattern?: string
  readonly format?: string
  readonly default?: unknown
  readonly description?: string
  readonly restarts?: Restarts
}

function rangeOf(schema: JsonSchema): string {
  if (schema.const !== undefined) return String(schema.const)
  if (schema.enum !== undefined) return `one of ${schema.enum.join(', ')}`
  if (schema.type === 'array') return `list of ${schema.items === undefined ? 'values' : rangeOf(schema.items)}`
  if (schema.type === 'boolean') return 'true or false'
  if (schema.type === 'integer' || schema.type === 'number') {
    const low = schema.minimum === undefined || schema.minimum <= Number.MIN_SAFE_INTEGER ? undefined : schema.minimum
    const high = schema.maximum === undefined || schema.maximum >= Number.MAX_SAFE_INTEGER ? undefined : schema.maximum
    if (low !== undefined && high !== undefined) return `${schema.type} ${low} to ${high}`
    if (low !== undefined) return `${schema.type} from ${low}`
    return high === undefined ? schema.type : `${schema.type} up to ${high}`
  }
  if (schema.type === 'object') return 'section'
  if (schema.format === 'uri') return 'address'
  return schema.pattern === undefined ? 'text' : `text like ${schema.pattern}`
}

function* walk(schema: JsonSchema, prefix: string, inherited: Restarts): Generator<ConfigKey> {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const key = prefix === '' ? name : `${prefix}.${name}`
    const restarts = property.restarts ?? inherited
    if (property.properties !== undefined) yield* walk(property, key, restarts)
    else yield { key, help: property.description ?? '', range: rangeOf(property), default: property.default, restarts }
    if (property.items?.properties !== undefined) yield* walk(property.items, `${key}[]`, restarts)
  }
}

/** The JSON Schema of the file, as published with the daemon's info and used by editors. */
export const configJsonSchema = z.toJSONSchema(Config, { io: 'input', unrepresentable: 'any' })

/** Every key, in the order of the schema: what `check-config` prints, and what help and messages take their words from. */
export const configKeys: readonly ConfigKey[] = Object.freeze([...walk(configJsonSchema as JsonSchema, '', 'daemon')])

/** The entry of a path such as ['schedule', 0, 'cron']. */
export function configKeyAt(path: readonly PropertyKey[]): ConfigKey | undefined {
  const key = keyOf(path)
  return configKeys.find(entry => entry.key === key) ?? configKeys.find(entry => key.startsWith(`${entry.key}[]`))
}

/** ['schedule', 0, 'cron'] -> 'schedule[].cron' */
export function keyOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (key, step) => (typeof step === 'number' ? `${key}[]` : key === '' ? String(step) : `${key}.${String(step)}`),
    '',
  )
}
