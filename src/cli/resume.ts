import { Command } from 'commander'
import type { CliContext } from './context.js'
import { gatewayVerb } from './verb.js'

/** `quantd resume` */
export function resumeCommand(context: CliContext): Command {
  const command = new Command('resume').description('take requests again after `drain`')
  return gatewayVerb(command, context, { verb: 'resume', body: () => ({}), done: () => 'requests are taken again\n' })
}
