import { Command } from 'commander'
import type { CliContext } from './context.js'
import { gatewayVerb, given, type VerbOptions } from './verb.js'

interface Options extends VerbOptions {
  readonly off?: boolean
}

/** `quantd pin MODEL [VERSION]` */
export function pinCommand(context: CliContext): Command {
  const command = new Command('pin')
    .description('keep a version active, also a refused one, whatever jobs make')
    .argument('<model>')
    .argument('[version]', 'default: the active one')
    .option('--off', 'let jobs replace it again')
  return gatewayVerb<Options>(command, context, {
    verb: 'pin',
    body: ([model, version], { off }) => given({ model, version, pinned: off ? false : undefined }),
    done: answer => `version ${String(answer.active ?? '-')} is ${answer.pinned === false ? 'no longer ' : ''}pinned\n`,
  })
}
