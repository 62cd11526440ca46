import { Argument, Command } from 'commander'
import { logLevels } from '../log.js'
import type { CliContext } from './context.js'
import { gatewayVerb } from './verb.js'

/** `quantd log-level LEVEL` */
export function logLevelCommand(context: CliContext): Command {
  const command = new Command('log-level').description('least severe line that the daemon writes, until its restart')
  command.addArgument(new Argument('<level>').choices([...logLevels]))
  return gatewayVerb(command, context, { verb: 'log-level', body: ([level]) => ({ level }), done: () => 'set\n' })
}
