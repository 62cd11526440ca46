import { Command } from 'commander'
import type { CliContext } from '../context.js'
import { benchDeviceCommand } from './device.js'
import { benchServeCommand } from './serve.js'

/** `quantd bench device|serve`: where every published figure of speed comes from. */
export function benchCommand(context: CliContext): Command {
  return new Command('bench')
    .description('measure: the engine alone (device), or requests through the broker (serve)')
    .enablePositionalOptions()
    .addCommand(benchDeviceCommand(context))
    .addCommand(benchServeCommand(context))
}
