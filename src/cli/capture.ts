import { Command, Option } from 'commander'
import type { CliContext } from './context.js'
import { numberOption } from './number-option.js'
import { gatewayVerb, given, type VerbOptions } from './verb.js'

interface Options extends VerbOptions {
  readonly mode?: string
  readonly maxMb?: number
  readonly maxAgeH?: number
  readonly maxSamples?: number
}

/** `quantd capture MODEL [--mode on|off]` */
export function captureCommand(context: CliContext): Command {
  const command = new Command('capture')
    .description('keep requests of a model for calibration: on, off, and within which budget; without options shows how it stands')
    .argument('<model>')
    .addOption(new Option('--mode <mode>').choices(['on', 'off']))
    .option('--max-mb <MiB>', 'budget of this model', numberOption({ low: 1 }))
    .option('--max-age-h <hours>', 'how long a sample is kept', numberOption({ low: 1 }))
    .option('--max-samples <count>', 'size of the reservoir', numberOption({ low: 10, integer: true }))
  return gatewayVerb<Options>(command, context, {
    verb: 'capture',
    body: ([model], { mode, maxMb, maxAgeH, maxSamples }) =>
      given({ model, mode, max_mb: maxMb, max_age_h: maxAgeH, max_samples: maxSamples }),
    done: answer =>
      `${Object.entries(answer)
        .map(([key, value]) => `${key}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
        .join('\n')}\n`,
  })
}
