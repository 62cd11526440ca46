import { Command } from 'commander'
import type { CliContext } from './context.js'
import { gatewayVerb } from './verb.js'

/** `quantd erase MODEL` */
export function eraseCommand(context: CliContext): Command {
  const command = new Command('erase').description('delete everything that was captured for a model').argument('<model>')
  return gatewayVerb(command, context, {
    verb: 'erase',
    body: ([model]) => ({ model }),
    done: answer => `${String(answer.erased ?? 'all')} samples erased\n`,
  })
}
