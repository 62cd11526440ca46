import { Command } from 'commander'
import { engineNamed } from '../../engines/catalog.js'
import { QuantdError } from '../../errors.js'
import { dtypes } from '../../graph/tensor/dtype.js'
import type { TensorSpec } from '../../graph/tensor/spec.js'
import { elementCount, type Tensor } from '../../graph/tensor/tensor.js'
import { probeCpu } from '../../hardware/cpu/probe.js'
import { timingOf } from '../../quantization/accuracy/judge-speed.js'
import { timeSessions } from '../../quantization/accuracy/time-sessions.js'
import { Manifest } from '../../samples/manifest.js'
import { openSamples } from '../../samples/open-samples.js'
import { systemClock } from '../../time.js'
import type { GatewayOptions } from '../client/open-gateway.js'
import type { CliContext } from '../context.js'
import { followJob, formatJob } from '../follow-job.js'
import { print, withGateway, withGatewayOptions } from '../gateway-command.js'
import { numberOption } from '../number-option.js'
import { given } from '../verb.js'

interface Options extends GatewayOptions {
  readonly version?: string
  readonly float?: string
  readonly int8?: string
  readonly samples?: string
  readonly engine: string
  readonly threads: number
  readonly seconds: number
}

/** Zeros of the inputs' shapes, free sizes as 1: for a model without samples, whose time does not depend on its values. */
export function zeros(inputs: readonly TensorSpec[]): Record<string, Tensor> {
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape: declared }) => {
      const shape = declared.map(size => (typeof size === 'number' ? size : 1))
      return [name, { dtype, shape, data: new dtypes[dtype].array!(elementCount(shape)) }]
    }),
  )
}

/** Two files in turn in this process, as the judge times them. */
async function compareFiles(options: Options & { float: string; int8: string }) {
  const engine = engineNamed(options.engine)
  const open = { threads: options.threads, optimization: 'all' } as const
  const float = await engine.open(options.float, open)
  const int8 = await engine.open(options.int8, open)
  try {
    let inputs = zeros(float.inputs)
    if (options.samples !== undefined) {
      const source = await openSamples(options.samples, { inputs: float.inputs, manifest: Manifest.parse({}) })
      inputs = { ...(await source.read(0)).inputs }
      await source.close()
    }
    const times = await timeSessions({ float, int8, inputs, clock: systemClock, budgetMs: options.seconds * 1000 })
    return { device: probeCpu().name, engine: `${engine.name} ${engine.version()}`, threads: options.threads, ...timingOf(times) }
  } finally {
    await Promise.all([float.close(), int8.close()])
  }
}

/** `quantd bench device`: float against int8 on the engine alone, in turn, as paired ratios. */
export function benchDeviceCommand(context: CliContext): Command {
  const command = new Command('device')
    .description(
      'float against the other forms of a model on the engines alone, in turn: a loaded model in its device workers, or two files here',
    )
    .argument('[model]', 'a model of the gateway (one captured request is timed)')
    .option('--version <version>', 'its version (default: the newest of every engine and precision)')
    .option('--float <file>', 'float .onnx, with --int8, instead of a loaded model')
    .option('--int8 <file>', 'int8 .onnx')
    .option('--samples <path>', 'the first sample is timed (default: zeros)')
    .option('--engine <name>', 'engine for files', 'onnxruntime')
    .option('--threads <count>', 'threads of one inference, for files', numberOption({ low: 1, high: 256, integer: true }), 1)
    .option('--seconds <count>', 'time of the measurement', numberOption({ low: 1, high: 600 }), 5)
  return withGatewayOptions(command).action(async (model: string | undefined, options: Options) => {
    const { float, int8 } = options
    if (model !== undefined) {
      const job = await withGateway(options, context, async gateway => {
        const { job_id } = await gateway.command('bench', given({ model, version: options.version, seconds: options.seconds }))
        return followJob(gateway, String(job_id), context)
      })
      print(context, options, job, formatJob(job))
    } else if (float !== undefined && int8 !== undefined) {
      const result = await compareFiles({ ...options, float, int8 })
      const { device, engine, threads, float_us, int8_us, ratio, low, high, rounds } = result
      const text = [
        `${device}, ${engine}, ${threads} thread${threads === 1 ? '' : 's'}, ${rounds} paired rounds`,
        `  float ${float_us.toFixed(0)} us, int8 ${int8_us.toFixed(0)} us (medians)`,
        `  int8 takes ${ratio.toFixed(3)} of the time of float (95 %: ${low.toFixed(3)} to ${high.toFixed(3)})`,
      ]
      print(context, options, result, `${text.join('\n')}\n`)
    } else throw new QuantdError('ERR_CLI_USAGE', 'name a loaded model, or two files with --float and --int8')
  })
}
