import { Command } from 'commander'
import type { CliContext } from '../context.js'
import { benchCostsCommand } from './costs.js'
import { benchDeviceCommand } from './device.js'
import { benchServeCommand } from './serve.js'

/** `quantd bench costs|device|serve`: where every published figure of speed comes from. */
export function benchCommand(context: CliContext): Command {
  return new Command('bench')
    .description('measure: operators (costs), the engine alone (device), or requests through the broker (serve)')
    .enablePositionalOptions()
    .addCommand(benchCostsCommand(context))
    .addCommand(benchDeviceCommand(context))
    .addCommand(benchServeCommand(context))
}
