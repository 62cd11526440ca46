import { Command, Option } from 'commander'
import type { CliContext } from './context.js'
import { numberOption } from './number-option.js'
import { gatewayVerb, given, type VerbOptions } from './verb.js'

interface Options extends VerbOptions {
  readonly samples?: number
  readonly source?: string
  readonly scheme?: string
  readonly pipeline?: string
  readonly maxDrop?: number
  readonly metric?: string
  readonly activate?: string
  readonly device?: readonly string[]
}

/** `quantd requantize MODEL`: calibrates on what was captured, quantizes, judges, activates; ends with 4 when the result was refused. */
export function requantizeCommand(context: CliContext): Command {
  const command = new Command('requantize')
    .description('calibrate on captured samples, quantize, judge against float, activate what is good enough')
    .argument('<model>')
    .option('--samples <count>', 'samples to calibrate on', numberOption({ low: 1, integer: true }))
    .addOption(new Option('--source <source>', 'where the samples come from').choices(['captured', 'bundle']))
    .addOption(new Option('--scheme <scheme>', 'quantization scheme').choices(['auto', 'symmetric', 'asymmetric']))
    .addOption(
      new Option('--pipeline <name>', 'accuracy-aware: keep layers float until the allowed drop holds').choices([
        'default',
        'accuracy-aware',
      ]),
    )
    .option('--max-drop <share>', 'share of the metric that int8 may lose', numberOption({ low: 0, high: 1 }))
    .option('--metric <name>', 'metric that judges')
    .addOption(new Option('--activate <when>', 'auto: when it is good enough; manual: never by itself').choices(['auto', 'manual']))
    .option('--device <id...>', 'devices to quantize for')
    .option('--detach', 'print the job and return at once')
  return gatewayVerb<Options>(command, context, {
    verb: 'requantize',
    body: ([model], { samples, source, scheme, pipeline, maxDrop, metric, activate, device }) =>
      given({ model, samples, source, scheme, pipeline, max_drop: maxDrop, metric, activate, devices: device }),
    done: () => 'nothing to do\n',
  })
}
