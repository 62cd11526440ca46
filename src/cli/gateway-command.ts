import type { Command } from 'commander'
import type { GatewayClient } from './client/gateway-client.js'
import { type GatewayOptions, openGateway } from './client/open-gateway.js'
import type { CliContext } from './context.js'

/** Adds the options of every verb that speaks to a gateway. */
export function withGatewayOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'configuration file of the daemon (default: /etc/quantd/quantd.yaml when it exists)')
    .option('--broker <url>', 'go through this broker instead of the control socket')
    .option('--gateway <id>', 'gateway id')
    .option('--state <dir>', 'state directory of the daemon, where its control socket may lie')
    .option('--username <name>', 'MQTT user name of the caller')
    .option('--password-file <file>', 'file whose first line is the MQTT password')
    .option('--json', 'print one JSON document on stdout')
}

/** Opens the gateway, does `act`, closes it whatever happens. */
export async function withGateway<T>(
  options: GatewayOptions,
  context: CliContext,
  act: (gateway: GatewayClient) => Promise<T>,
): Promise<T> {
  const gateway = await openGateway(options, context)
  try {
    return await act(gateway)
  } finally {
    await gateway.close()
  }
}

/** Prints `document` as JSON, or `text` for people. */
export function print(context: CliContext, { json }: GatewayOptions, document: unknown, text: string): void {
  context.out(json ? `${JSON.stringify(document, undefined, 2)}\n` : text)
}
