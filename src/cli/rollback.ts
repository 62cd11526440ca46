import { Command } from 'commander'
import type { CliContext } from './context.js'
import { gatewayVerb } from './verb.js'

/** `quantd rollback MODEL` */
export function rollbackCommand(context: CliContext): Command {
  const command = new Command('rollback').description('let the previous version answer again').argument('<model>')
  return gatewayVerb(command, context, {
    verb: 'rollback',
    body: ([model]) => ({ model }),
    done: answer => `version ${String(answer.active ?? '-')} answers again\n`,
  })
}
