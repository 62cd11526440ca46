import { Command } from 'commander'
import type { CliContext } from './context.js'
import { gatewayVerb, given, type VerbOptions } from './verb.js'

interface Options extends VerbOptions {
  readonly force?: boolean
}

/** `quantd activate MODEL VERSION` */
export function activateCommand(context: CliContext): Command {
  const command = new Command('activate')
    .description('let a version answer, beside the old one and without a dropped request')
    .argument('<model>')
    .argument('<version>', 'as `quantd models` lists it')
    .option('--force', 'also a version that was refused')
  return gatewayVerb<Options>(command, context, {
    verb: 'activate',
    body: ([model, version], { force }) => given({ model, version, force }),
    done: answer => `version ${String(answer.active ?? '-')} answers\n`,
  })
}
