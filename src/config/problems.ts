import { type Document, isMap, isScalar, isSeq, type LineCounter } from 'yaml'
import type { z } from 'zod'
import { configKeyAt, configKeys, keyOf } from './keys.js'
import { nearest } from './nearest.js'

/** One thing that is wrong with a configuration file. `line` counts from 1; absent for what came from the command line or the environment. */
export interface ConfigProblem {
  readonly code: 'ERR_CONFIG_KEY' | 'ERR_CONFIG_VALUE'
  readonly key: string
  readonly line: number | undefined
  readonly message: string
}

export interface Source {
  readonly document: Document
  readonly lines: LineCounter
}

/** Line of the key at `path`, or of the nearest enclosing one that the file has. */
function lineOf(path: readonly PropertyKey[], { document, lines }: Source): number | undefined {
  let node: unknown = document.contents
  let offset: number | undefined
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(item => isScalar(item.key) && String(item.key.value) === String(step))
      if (pair === undefined) break
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset
      node = pair.value
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step]
      offset = (node as { range?: [number, number, number] } | undefined)?.range?.[0] ?? offset
    } else break
  }
  return offset === undefined ? undefined : lines.linePos(offset).line
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`
}

function valueAt(path: readonly PropertyKey[], value: unknown): unknown {
  return path.reduce<unknown>((inner, step) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[step], value)
}

/** Names that may stand beside an unknown key, then the same name in another section. */
function suggestion(path: readonly PropertyKey[], name: string): string | undefined {
  const section = keyOf(path)
  const inside = configKeys
    .filter(({ key }) => section === '' || key.startsWith(`${section}.`))
    .map(({ key }) => key.slice(section === '' ? 0 : section.length + 1).split(/\.|\[\]/)[0]!)
  const close = nearest(name, [...new Set(inside)])
  if (close !== undefined) return section === '' ? close : `${section}.${close}`
  return configKeys.find(({ key }) => key.endsWith(`.${name}`))?.key
}

/** What the schema found, with the line, the range and what stands there. Values of unknown keys are never shown: they may be secrets. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], value: unknown, source: Source | undefined): readonly ConfigProblem[] {
  return issues.flatMap((issue): ConfigProblem[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map(name => {
        const path = [...issue.path, name]
        const near = suggestion(issue.path, name)
        const hint = near === undefined ? '' : `; did you mean '${near}'?`
        return {
          code: 'ERR_CONFIG_KEY',
          key: keyOf(path),
          line: source && lineOf(path, source),
          message: `unknown key '${keyOf(path)}'${hint}`,
        }
      })
    }
    const known = configKeyAt(issue.path)
    const found = valueAt(issue.path, value)
    const secret = typeof found === 'string' && /:\/\/[^/]*@/.test(found)
    const expected = issue.code === 'custom' ? issue.message : known === undefined ? issue.message : known.range
    return [
      {
        code: 'ERR_CONFIG_VALUE',
        key: keyOf(issue.path),
        line: source && lineOf(issue.path, source),
        message: `${keyOf(issue.path) || 'the file'}: expected ${expected}, found ${found === undefined ? 'nothing' : secret ? 'an address with a password' : shown(found)}`,
      },
    ]
  })
}
