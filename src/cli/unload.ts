import { Command } from 'commander'
import type { CliContext } from './context.js'
import { gatewayVerb } from './verb.js'

/** `quantd unload MODEL` */
export function unloadCommand(context: CliContext): Command {
  const command = new Command('unload').description('take a model out of the gateway').argument('<model>')
  return gatewayVerb(command, context, {
    verb: 'unload',
    body: ([model]) => ({ model }),
    done: () => 'unloaded\n',
  })
}
