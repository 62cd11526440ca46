import { Command } from 'commander'
import { configKeys } from '../config/keys.js'
import { loadConfig } from '../config/load.js'
import type { ConfigProblem } from '../config/problems.js'
import type { Config } from '../config/schema.js'
import { QuantdError } from '../errors.js'
import { formatTable } from '../quantization/report/text-table.js'
import type { CliContext } from './context.js'
import { print } from './gateway-command.js'

interface Options {
  readonly config?: string
  readonly json?: boolean
  readonly all?: boolean
}

const shown = (value: unknown): string => (value === undefined ? '-' : typeof value === 'string' ? value || '""' : JSON.stringify(value))

function valueAt(config: Config, key: string): unknown {
  return key.split('.').reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], config)
}

/** `quantd check-config FILE`: every problem with its line, or every key with its value, what it means, and what a change of it restarts. */
export function checkConfigCommand(context: CliContext): Command {
  return new Command('check-config')
    .description('check a configuration file; shows each key with value, default, range and what its change restarts')
    .argument('[file]', 'default: /etc/quantd/quantd.yaml when it exists')
    .option('-c, --config <file>', 'the same, as the other commands take it')
    .option('--json', 'print one JSON document on stdout')
    .option('--all', 'show also the keys that keep their default')
    .action(async (argument: string | undefined, options: Options) => {
      const file = argument ?? options.config
      let config: Config
      try {
        config = await loadConfig(file, { env: context.env })
      } catch (error) {
        if (error instanceof QuantdError && !options.json) {
          const problems = (error.details.problems ?? []) as readonly ConfigProblem[]
          for (const { line, message } of problems.slice(1)) context.err(`${file}${line === undefined ? '' : `:${line}`}: ${message}\n`)
        }
        throw error
      }
      const keys = configKeys
        .filter(({ key }) => !key.includes('[]'))
        .map(({ key, ...rest }) => ({ key, value: valueAt(config, key), ...rest }))
      const set = keys.filter(({ value, default: usual }) => JSON.stringify(value) !== JSON.stringify(usual))
      const table = formatTable(
        options.all ? keys : set,
        [
          { title: 'key', value: row => row.key },
          { title: 'value', value: row => shown(row.value) },
          { title: 'default', value: row => shown(row.default) },
          { title: 'range', value: row => row.range },
          { title: 'restarts', value: row => row.restarts },
          { title: 'help', value: row => row.help },
        ],
        { width: context.columns },
      )
      const rest = options.all ? '' : `${keys.length - set.length} keys keep their default (--all shows them)\n`
      print(context, options, { ok: true, config, keys }, `${file ?? 'the configuration'} is right\n${table}${rest}`)
    })
}
