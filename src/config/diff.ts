import { isDeepStrictEqual } from 'node:util'
import { configKeys } from './keys.js'
import type { Config, Restarts } from './schema.js'

export interface ChangedKey {
  readonly key: string
  readonly restarts: Restarts
}

function valueAt(config: Config, key: string): unknown {
  return key.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], config)
}

/** Keys whose values differ, in the order of the schema; a list (schedule, load.allow) is one key. What each restarts is the schema's word. */
export function changedKeys(before: Config, after: Config): readonly ChangedKey[] {
  return configKeys
    .filter(({ key }) => !key.includes('[]') && !isDeepStrictEqual(valueAt(before, key), valueAt(after, key)))
    .map(({ key, restarts }) => ({ key, restarts }))
}
