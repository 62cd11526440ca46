import { Command } from 'commander'
import { Hardware } from '../hardware/hardware.js'
import { formatTable } from '../quantization/report/text-table.js'
import { configOf, findControlSocket, type GatewayOptions } from './client/open-gateway.js'
import type { CliContext } from './context.js'
import { print, withGateway, withGatewayOptions } from './gateway-command.js'

interface Row {
  readonly id?: unknown
  readonly kind?: unknown
  readonly name?: unknown
  readonly state?: unknown
  readonly target?: unknown
  readonly why?: unknown
}

/** What this host has, asked of its own probes: works without a daemon. */
async function discover(options: GatewayOptions, context: CliContext) {
  const hardware = await Hardware.discover(await configOf(options, context), { signal: context.signal })
  try {
    await hardware.settled()
    return { devices: hardware.devices(), notes: hardware.notes() }
  } finally {
    await hardware.close()
  }
}

/** `quantd devices`: processor, GPUs and sticks, from the daemon when one answers, else looked for here. */
export function devicesCommand(context: CliContext): Command {
  return withGatewayOptions(new Command('devices').description('compute devices of this host: what was found, and who serves it')).action(
    async (options: GatewayOptions) => {
      const asked = options.broker !== undefined || (await findControlSocket(await configOf(options, context))) !== undefined
      const { devices, notes } = asked
        ? await withGateway(options, context, async gateway => ({
            devices: await gateway.devices(),
            notes: (await gateway.notes?.()) ?? [],
          }))
        : await discover(options, context)
      const table = formatTable<Row>(
        devices,
        (['id', 'kind', 'name', 'state', 'target', 'why'] as const).map(title => ({
          title,
          value: (row: Row) => (row[title] === undefined ? undefined : String(row[title])),
        })),
        { width: context.columns },
      )
      print(context, options, devices, table)
      for (const { probe, reason } of notes) context.err(`${probe}: ${reason}\n`)
    },
  )
}
