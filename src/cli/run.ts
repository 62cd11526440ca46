import { once } from 'node:events'
import { Command } from 'commander'
import { setLogLevel } from '../log.js'
import { keepFreedMemory } from '../process/memory.js'
import { relaxHeap } from '../process/relax-heap.js'
import { configOf } from './client/open-gateway.js'
import type { CliContext } from './context.js'

interface Options {
  readonly config?: string
  readonly broker?: string
  readonly gateway?: string
  readonly state?: string
}

/** `quantd run`: the daemon, until SIGTERM or SIGINT; then it drains and ends with 0. */
export function runCommand(context: CliContext): Command {
  return new Command('run')
    .description('the daemon')
    .option('-c, --config <file>', 'configuration file (default: /etc/quantd/quantd.yaml when it exists)')
    .option('--broker <url>', 'mqtt://host:port or mqtts://host:port')
    .option('--gateway <id>', 'gateway id: first topic level, equals the MQTT user name')
    .option('--state <dir>', 'state directory')
    .action(async (options: Options) => {
      const config = await configOf(options, context)
      if (context.env.QUANTD_LOG === undefined) setLogLevel(config.log.level)
      relaxHeap()
      await keepFreedMemory()
      const { startDaemon } = await import('../daemon.js')
      const daemon = await startDaemon(config, { signal: context.signal, reload: () => configOf(options, context) })
      if (!context.signal.aborted) await once(context.signal, 'abort')
      await daemon.close()
    })
}
