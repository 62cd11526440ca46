import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { QuantdError } from '../../errors.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import { decodeResponse } from '../../samples/decode-response.js'
import { formatNpz } from '../../samples/write-npz.js'
import { type InferAnswer, InferClient } from '../client/infer-client.js'
import { readModelMetadata } from '../client/model-metadata.js'
import { openMqttSession } from '../client/mqtt-session.js'
import { configOf, type GatewayOptions } from '../client/open-gateway.js'
import type { CliContext } from '../context.js'
import { withGatewayOptions } from '../gateway-command.js'
import { numberOption } from '../number-option.js'
import { ProgressBar } from '../output/progress-bar.js'
import { formatOutputs } from './format-outputs.js'
import { readInputs } from './read-inputs.js'

interface Options extends GatewayOptions {
  readonly out?: string
  readonly version?: string
  readonly top: number
  readonly timeout: number
}

interface Answered {
  readonly input: string
  readonly outputs: Readonly<Record<string, Tensor>>
  readonly answer: InferAnswer
}

/** Outputs of all requests one below the other, as one array per output. @throws ERR_CLI_ANSWER when their shapes differ */
export function stackOutputs(answers: readonly Pick<Answered, 'input' | 'outputs'>[]): Record<string, Tensor> {
  const stacked: Record<string, Tensor> = {}
  for (const [name, first] of Object.entries(answers[0]?.outputs ?? {})) {
    const parts = answers.map(({ input, outputs }) => {
      const tensor = outputs[name]
      if (tensor?.dtype === first.dtype && tensor.shape.join() === first.shape.join()) return tensor
      throw new QuantdError('ERR_CLI_ANSWER', `output '${name}' of ${input} has another shape than the first: write one file per input`)
    })
    const data = new (first.data.constructor as new (length: number) => Float32Array)(first.data.length * parts.length)
    for (const [index, part] of parts.entries()) data.set(part.data as Float32Array, index * first.data.length)
    const shape = first.shape[0] === 1 ? [parts.length, ...first.shape.slice(1)] : [parts.length, ...first.shape]
    stacked[name] = { dtype: first.dtype, shape, data }
  }
  return stacked
}

const plain = (tensor: Tensor) => ({
  dtype: tensor.dtype,
  shape: tensor.shape,
  data: [...(tensor.data as Iterable<number | bigint>)].map(value => (typeof value === 'bigint' ? String(value) : value)),
})

/** `quantd infer MODEL INPUT...`: asks the gateway through its broker, as any client would. */
export function inferCommand(context: CliContext): Command {
  const command = new Command('infer')
    .description('ask a model, through the broker like any client')
    .argument('<model>')
    .argument('<input...>', 'image, .npz or .npy (a request per sample), .json (an OIP request), or raw bytes of the only input')
    .option('--out <file.npz>', 'write the outputs, one array each, one row per request')
    .option('--version <version>', 'ask this version (default: the active one)')
    .option('--top <count>', 'classes shown of a row of scores', numberOption({ low: 1, integer: true }), 5)
    .option('--timeout <seconds>', 'for one answer', numberOption({ low: 0.1, high: 3600 }), 30)
  return withGatewayOptions(command).action(async (model: string, inputs: readonly string[], options: Options) => {
    const config = await configOf(options, context)
    const session = await openMqttSession({ broker: config.broker, account: options })
    const bar = new ProgressBar(context)
    try {
      const metadata = await readModelMetadata(session, { config, model, signal: context.signal })
      const client = new InferClient({ session, config, timeoutMs: options.timeout * 1000, signal: context.signal })
      const answers: Answered[] = []
      const asked = { inputs: metadata.inputs, outputs: metadata.outputs, form: options.out === undefined ? 'json' : 'binary' } as const
      for (const path of inputs) {
        for await (const { name, request } of readInputs(path, asked)) {
          const answer = await client.infer(model, request, { version: options.version })
          const { outputs } = decodeResponse(answer.response)
          const answered = { input: name, outputs, answer }
          if (options.out !== undefined || options.json) answers.push(answered)
          if (options.out === undefined && !options.json) context.out(describe(answered, { classes: metadata.classes, top: options.top }))
          else bar.show({ label: `infer ${path}` })
        }
      }
      bar.end()
      if (options.out !== undefined) await writeFile(options.out, formatNpz(stackOutputs(answers)))
      if (options.json) {
        const document = answers.map(({ input, outputs, answer }) => ({
          input,
          ms: Math.round(answer.ms * 100) / 100,
          ...answer.properties,
          outputs: Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, plain(tensor)])),
        }))
        context.out(`${JSON.stringify(document)}\n`)
      } else if (options.out !== undefined) context.out(`${answers.length} answers in ${options.out}\n`)
    } finally {
      bar.end()
      await session.client.endAsync()
    }
  })
}

function describe({ input, outputs, answer }: Answered, format: Parameters<typeof formatOutputs>[1]): string {
  const { 'model-version': version, device } = answer.properties
  const by = version === undefined ? '' : `version ${version} on ${device ?? '-'}, `
  return `${input}: ${by}${answer.ms.toFixed(1)} ms\n${formatOutputs(outputs, format)}`
}
