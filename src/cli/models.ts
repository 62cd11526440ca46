import { Command } from 'commander'
import { formatTable } from '../quantization/report/text-table.js'
import type { GatewayOptions } from './client/open-gateway.js'
import type { CliContext } from './context.js'
import { print, withGateway, withGatewayOptions } from './gateway-command.js'

interface Version {
  readonly version?: string
  readonly kind?: string
  readonly state?: string
}

const text = (value: unknown): string | undefined => (value === undefined || value === null ? undefined : String(value))

/** '1 float previous, 2 int8 active'; a gateway seen through its broker lists version names alone. */
function versions(value: unknown): string {
  const list = Array.isArray(value) ? (value as (Version | string)[]) : []
  return list
    .map(entry => (typeof entry === 'string' ? entry : [entry.version, entry.kind, entry.state].filter(Boolean).join(' ')))
    .join(', ')
}

/** `quantd models`: which models the gateway has, and which version of each answers. */
export function modelsCommand(context: CliContext): Command {
  return withGatewayOptions(new Command('models').description('models of the gateway, and which version of each answers')).action(
    async (options: GatewayOptions) => {
      const models = await withGateway(options, context, gateway => gateway.models())
      const table = formatTable(
        models,
        [
          { title: 'model', value: row => text(row.name ?? row.id) },
          { title: 'state', value: row => text(row.state) },
          { title: 'active', value: row => text(row.active) },
          { title: 'previous', value: row => text(row.previous) },
          { title: 'pinned', value: row => (row.pinned === true ? 'yes' : '-') },
          { title: 'versions', value: row => versions(row.versions) },
        ],
        { width: context.columns },
      )
      print(context, options, models, table || 'no models: `quantd load BUNDLE` brings one in\n')
    },
  )
}
