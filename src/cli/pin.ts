import { Command } from 'commander'
import type { CliContext } from './context.js'
import { gatewayVerb, given, type VerbOptions } from './verb.js'

/** `quantd pin MODEL [VERSION]` */
export function pinCommand(context: CliContext): Command {
  const command = new Command('pin')
    .description('keep a version active, also a refused one, whatever jobs make; `activate` unpins')
    .argument('<model>')
    .argument('[version]', 'default: the active one')
  return gatewayVerb<VerbOptions>(command, context, {
    verb: 'pin',
    body: ([model, version]) => given({ model, version }),
    done: answer => `version ${String(answer.active ?? answer.version ?? '-')} is pinned\n`,
  })
}
