import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import type { IClientOptions } from 'mqtt'
import type { Config } from '../../config/schema.js'
import { QuantdError } from '../../errors.js'
import { formatTable } from '../../quantization/report/text-table.js'
import type { Manifest } from '../../samples/manifest.js'
import { contentTypes, type EncodedRequest } from '../../samples/request.js'
import { readModelMetadata } from '../client/model-metadata.js'
import { openMqttSession, readPassword } from '../client/mqtt-session.js'
import { configOf, type GatewayOptions } from '../client/open-gateway.js'
import type { CliContext } from '../context.js'
import { print, withGatewayOptions } from '../gateway-command.js'
import { readInputs } from '../infer/read-inputs.js'
import { numberOption } from '../number-option.js'
import { ProgressBar } from '../output/progress-bar.js'
import { writeNullBundle } from './null-model.js'
import { ScratchDaemon } from './scratch-daemon.js'
import { measureServe, type ServeLoadResult } from './serve-load.js'

interface Options extends GatewayOptions {
  readonly model?: string
  readonly input?: string
  readonly bytes: number
  readonly count: number
  readonly inFlight: readonly number[]
  readonly qos: readonly (0 | 1)[]
  readonly durability: readonly Manifest['durability'][]
}

/** One line of the sweep: what was asked, and what came out. */
interface Row extends ServeLoadResult {
  readonly model: string
  readonly durability: string
  readonly qos: 0 | 1
  readonly inFlight: number
}

/** Requests before the first line that are not counted. */
const warmUpFirst = 1000

const listOf =
  <T extends string | number>(allowed: readonly T[] | 'positive') =>
  (text: string): readonly T[] =>
    text.split(',').map(part => {
      const value = (allowed === 'positive' || typeof allowed[0] === 'number' ? Number(part) : part) as T
      const right =
        allowed === 'positive' ? Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 1024 : allowed.includes(value)
      if (!right)
        throw new InvalidArgumentError(allowed === 'positive' ? 'Expected integers from 1 to 1024.' : `Expected ${allowed.join(', ')}.`)
      return value
    })

function login({ broker }: Config, { username, passwordFile }: GatewayOptions): IClientOptions {
  const tls = Object.entries({ ca: broker.ca_file, cert: broker.cert_file, key: broker.key_file }).flatMap(([key, path]) =>
    path === undefined ? [] : [[key, readFileSync(path)] as const],
  )
  return {
    ...Object.fromEntries(tls),
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { password: readPassword(passwordFile) }),
  }
}

/** The first request of a file, for a model that is served already. */
async function requestFrom(config: Config, options: Options, context: CliContext): Promise<EncodedRequest> {
  const { model, input } = options
  if (model === undefined || input === undefined) throw new QuantdError('ERR_CLI_USAGE', '--model needs --input, the file of its request')
  const session = await openMqttSession({ broker: config.broker, account: options, versions: [5] })
  try {
    const { inputs, outputs } = await readModelMetadata(session, { config, model, signal: context.signal })
    for await (const { request } of readInputs(input, { inputs, outputs, form: 'json' })) return request
    throw new QuantdError('ERR_CLI_INPUT', `${input}: no sample in it`)
  } finally {
    await session.client.endAsync()
  }
}

interface Target {
  readonly config: Config
  readonly gateway: string
  readonly models: readonly { readonly model: string; readonly durability: string }[]
  readonly request: EncodedRequest
}

async function sweep({ config, gateway, models, request }: Target, options: Options, context: CliContext): Promise<readonly Row[]> {
  const bar = new ProgressBar(context)
  // A QoS 0 request is memory only, whatever the model's durability: one model is enough.
  const pairs = options.qos.flatMap(qos => (qos === 0 ? models.slice(0, 1) : models).map(model => ({ ...model, qos })))
  const cases = pairs.flatMap(pair => options.inFlight.map(inFlight => ({ ...pair, inFlight })))
  const rows: Row[] = []
  try {
    for (const [index, { model, durability, qos, inFlight }] of cases.entries()) {
      context.signal.throwIfAborted()
      bar.show({ label: `${model}, QoS ${qos}, ${inFlight} in flight`, share: index / cases.length })
      const result = await measureServe({
        url: config.broker.url,
        broker: login(config, options),
        caller: options.username ?? '-',
        base: config.mqtt.base,
        gateway,
        model,
        qos,
        inFlight,
        count: options.count,
        // A daemon that has just started runs its first requests as interpreted code: they are not what it will do for years.
        warmUp: index === 0 ? warmUpFirst : 50,
        body: request.body,
        contentType: request.contentType,
        ...(request.jsonLength === undefined ? {} : { properties: { 'json-len': String(request.jsonLength) } }),
      })
      rows.push({ model, durability: qos === 0 ? 'memory' : durability, qos, inFlight, ...result })
    }
    return rows
  } finally {
    bar.end()
  }
}

export function formatRows(rows: readonly Row[], width: number | undefined): string {
  const ms = (pick: (row: Row) => number) => (row: Row) => pick(row).toFixed(2)
  return formatTable(
    rows,
    [
      { title: 'model', value: row => row.model },
      { title: 'durability', value: row => row.durability },
      { title: 'QoS', value: row => row.qos, align: 'right' },
      { title: 'in flight', value: row => row.inFlight, align: 'right' },
      { title: 'requests/s', value: row => row.requestsPerSecond.toFixed(0), align: 'right' },
      { title: 'p50 ms', value: ms(row => row.p50Ms), align: 'right' },
      { title: 'p95 ms', value: ms(row => row.p95Ms), align: 'right' },
      { title: 'p99 ms', value: ms(row => row.p99Ms), align: 'right' },
      { title: 'failed', value: row => row.failed, align: 'right' },
      {
        title: 'us by stage',
        value: row =>
          Object.entries(row.stagesUs)
            .map(([stage, us]) => `${stage} ${us.toFixed(0)}`)
            .join(' '),
      },
    ],
    { width },
  )
}

/** `quantd bench serve`: requests through the broker; without --model everything but inference, on a daemon of its own that answers without computing. */
export function benchServeCommand(context: CliContext): Command {
  const command = new Command('serve')
    .description(
      'requests through the broker: rate, latency, stages. Without --model: a daemon of its own and a model that computes nothing',
    )
    .option('--model <name>', 'a model that the gateway serves; needs --input')
    .option('--input <file>', 'its request, as `quantd infer` takes it')
    .option(
      '--bytes <count>',
      'request size for the model that computes nothing',
      numberOption({ low: 1, high: 2 ** 28, integer: true }),
      150_528,
    )
    .option('--count <requests>', 'requests per line', numberOption({ low: 10, integer: true }), 500)
    .option('--in-flight <list>', 'requests on their way at once', listOf<number>('positive'), [1, 2, 4, 8])
    .option('--qos <list>', '0, 1', listOf<0 | 1>([0, 1]), [0, 1])
    .option('--durability <list>', 'none, broker, journal', listOf<Manifest['durability']>(['none', 'broker', 'journal']), [
      'none',
      'journal',
    ])
  return withGatewayOptions(command).action(async (options: Options) => {
    const config = await configOf(options, context)
    let rows: readonly Row[]
    if (options.model !== undefined) {
      const request = await requestFrom(config, options, context)
      const models = [{ model: options.model, durability: 'as the model says' }]
      rows = await sweep({ config, gateway: config.gateway, models, request }, options, context)
    } else {
      await using daemon = await ScratchDaemon.start(config, context.signal)
      const models = options.durability.map(durability => ({ model: `null-${durability}`, durability }))
      for (const { model, durability } of models) {
        const folder = join(daemon.folder, model)
        await writeNullBundle(folder, { name: model, bytes: options.bytes, durability })
        await daemon.load(folder)
      }
      const request = { contentType: contentTypes.raw, body: new Uint8Array(options.bytes).fill(90) }
      rows = await sweep({ config, gateway: daemon.gateway, models, request }, options, context)
    }
    print(context, options, rows, formatRows(rows, undefined))
    if (rows.some(({ failed }) => failed > 0)) context.exitCode = 1
  })
}
