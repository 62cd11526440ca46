import { Command } from 'commander'
import type { CliContext } from './context.js'
import { gatewayVerb } from './verb.js'

/** `quantd reload-config` */
export function reloadConfigCommand(context: CliContext): Command {
  const command = new Command('reload-config').description('let the daemon read its configuration file again')
  return gatewayVerb(command, context, {
    verb: 'reload-config',
    body: () => ({}),
    done: ({ restart_required }) =>
      Array.isArray(restart_required) && restart_required.length > 0
        ? `in force after a restart: ${restart_required.join(', ')}\n`
        : 'in force\n',
  })
}
