import { Command } from 'commander'
import type { CliContext } from '../context.js'
import { setupOpenvinoCommand } from './openvino.js'

/** `quantd setup`: optional parts of a gateway that npm does not bring. */
export function setupCommand(context: CliContext): Command {
  return new Command('setup').description('put optional parts into place').addCommand(setupOpenvinoCommand(context))
}
