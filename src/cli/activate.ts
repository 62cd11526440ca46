import { Command } from 'commander'
import type { CliContext } from './context.js'
import { gatewayVerb, given, type VerbOptions } from './verb.js'

/** `quantd activate MODEL [VERSION]` */
export function activateCommand(context: CliContext): Command {
  const command = new Command('activate')
    .description('let a version answer; a refused one needs `pin`')
    .argument('<model>')
    .argument('[version]', 'default: the newest candidate')
  return gatewayVerb<VerbOptions>(command, context, {
    verb: 'activate',
    body: ([model, version]) => given({ model, version }),
    done: answer => `version ${String(answer.active ?? answer.version ?? '-')} answers\n`,
  })
}
