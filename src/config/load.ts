import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { LineCounter, parseDocument, visit } from 'yaml'
import { errorMessage, QuantdError } from '../errors.js'
import { type ConfigProblem, problemsOf, type Source } from './problems.js'
import { Config } from './schema.js'

export const defaultConfigPath = '/etc/quantd/quantd.yaml'
/** Newest `version` that this release reads. */
const newestVersion = 1

/** What the command line or the environment says instead of the file. */
export interface ConfigOverrides {
  readonly broker?: string | undefined
  readonly gateway?: string | undefined
  readonly state?: string | undefined
  readonly username?: string | undefined
  readonly passwordFile?: string | undefined
}

export interface LoadConfigOptions {
  readonly overrides?: ConfigOverrides
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Read when no path is given and it exists. */
  readonly defaultPath?: string
}

type Plain = Record<string, unknown>
const isPlain = (value: unknown): value is Plain => typeof value === 'object' && value !== null && !Array.isArray(value)

function readSource(path: string): { value: Plain; source: Source } {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new QuantdError('ERR_CONFIG_READ', `configuration ${path}: ${errorMessage(error)}`, { details: { path }, cause: error })
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true })
  const failed = document.errors[0]
  if (failed !== undefined) {
    const { line, col } = lines.linePos(failed.pos[0])
    throw new QuantdError('ERR_CONFIG_YAML', `${path}:${line}:${col}: ${failed.message}`, { details: { path, line, column: col } })
  }
  visit(document, {
    Alias(_, alias, ancestors) {
      const meant = alias.resolve(document)
      if (meant !== undefined && !ancestors.includes(meant)) return
      const { line, col } = lines.linePos(alias.range?.[0] ?? 0)
      const fault = meant === undefined ? 'names an anchor that is not set before it' : 'is part of what it names'
      throw new QuantdError('ERR_CONFIG_YAML', `${path}:${line}:${col}: alias '*${alias.source}' ${fault}`, {
        details: { path, line, column: col },
      })
    },
  })
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 }) ?? {}
  } catch (error) {
    throw new QuantdError('ERR_CONFIG_YAML', `${path}: ${errorMessage(error)}`, { details: { path }, cause: error })
  }
  if (!isPlain(value)) {
    throw new QuantdError(
      'ERR_CONFIG_VALUE',
      `${path}:1: expected keys and values, found ${Array.isArray(value) ? 'a list' : typeof value}`,
      {
        details: { path, line: 1 },
      },
    )
  }
  return { value, source: { document, lines } }
}

/** A key without a value (`broker:` above commented lines) counts as absent. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (!isPlain(value)) return value
  const entries = Object.entries(value).filter(([, inner]) => inner !== null)
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutNulls(inner)]))
}

/** Sets `path` in a copy; a section that is no section is left for the schema to refuse. */
function withValue(value: Plain, [head, ...rest]: readonly string[], leaf: unknown): Plain {
  if (rest.length === 0) return { ...value, [head!]: leaf }
  const inner = value[head!] ?? {}
  return isPlain(inner) ? { ...value, [head!]: withValue(inner, rest, leaf) } : value
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) freeze(inner)
  return Object.freeze(value)
}

/** Files named relatively lie in $CREDENTIALS_DIRECTORY when the service manager sets it (LoadCredential=), else beside the configuration. */
function withFiles(config: Config, folder: string): Config {
  const absolute = (path: string | undefined) => (path === undefined ? undefined : resolve(folder, path))
  const { password_file, ca_file, cert_file, key_file, ...broker } = config.broker
  const files = Object.entries({ password_file, ca_file, cert_file, key_file }).filter(([, path]) => path !== undefined)
  return { ...config, broker: { ...broker, ...Object.fromEntries(files.map(([key, path]) => [key, absolute(path)])) } }
}

function refuse(problems: readonly ConfigProblem[], path: string | undefined): never {
  const [first, ...others] = [...problems].sort((a, b) => (a.line ?? 0) - (b.line ?? 0))
  const where = path === undefined ? '' : first!.line === undefined ? `${path}: ` : `${path}:${first!.line}: `
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  throw new QuantdError(first!.code, `${where}${first!.message}${more}`, {
    details: { path, line: first!.line, key: first!.key, problems: [first, ...others] },
  })
}

/**
 * The configuration of `path`, or of /etc/quantd/quantd.yaml where that exists, or the defaults; over it the environment (QUANTD_BROKER,
 * QUANTD_GATEWAY, QUANTD_STATE), over that `overrides`. Frozen. Every problem of the file is in `details.problems`, the first in the message.
 * With another state directory the control socket moves there too, unless the file names `runtime_dir`.
 * @throws ERR_CONFIG_READ, ERR_CONFIG_YAML, ERR_CONFIG_KEY, ERR_CONFIG_VALUE, ERR_CONFIG_VERSION
 */
export async function loadConfig(
  path: string | undefined,
  { overrides = {}, env = process.env, defaultPath = defaultConfigPath }: LoadConfigOptions = {},
): Promise<Config> {
  const file = path ?? (existsSync(defaultPath) ? defaultPath : undefined)
  const read = file === undefined ? undefined : readSource(file)
  let value = withoutNulls(read?.value ?? {}) as Plain
  const version = value.version
  if (typeof version === 'number' && version > newestVersion) {
    throw new QuantdError('ERR_CONFIG_VERSION', `${file}: version is ${version}, this quantd reads up to ${newestVersion}`, {
      details: { path: file, found: version, newest: newestVersion },
    })
  }
  const state = overrides.state ?? env.QUANTD_STATE
  if (state !== undefined && value.runtime_dir === undefined) value = { ...value, runtime_dir: resolve(state) }
  const replaced: readonly (readonly [readonly string[], string | undefined])[] = [
    [['broker', 'url'], overrides.broker ?? env.QUANTD_BROKER],
    [['gateway'], overrides.gateway ?? env.QUANTD_GATEWAY],
    [['state_dir'], state === undefined ? undefined : resolve(state)],
    [['broker', 'username'], overrides.username],
    [['broker', 'password_file'], overrides.passwordFile === undefined ? undefined : resolve(overrides.passwordFile)],
  ]
  for (const [keys, leaf] of replaced) if (leaf !== undefined) value = withValue(value, keys, leaf)
  const parsed = Config.safeParse(value)
  if (!parsed.success) refuse(problemsOf(parsed.error.issues, value, read?.source), file)
  return freeze(withFiles(parsed.data, env.CREDENTIALS_DIRECTORY ?? (file === undefined ? process.cwd() : dirname(resolve(file)))))
}
