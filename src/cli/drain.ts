import { Command } from 'commander'
import type { CliContext } from './context.js'
import { gatewayVerb } from './verb.js'

/** `quantd drain` */
export function drainCommand(context: CliContext): Command {
  const command = new Command('drain').description('take no new requests; those in flight are answered')
  return gatewayVerb(command, context, { verb: 'drain', body: () => ({}), done: () => 'drained\n' })
}
