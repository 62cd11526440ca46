import { createRequire } from 'node:module'
import { extname } from 'node:path'
import type { InferenceSession, OnnxValue, Tensor as OrtTensor } from 'onnxruntime-node'
import { errorMessage, QuantdError } from '../../errors.js'
import { isFakeQuantize } from '../../graph/fake-quantize/read-fake-quantize.js'
import { hasFakeQuantize, runnableModel } from '../../graph/fake-quantize/runnable-model.js'
import type { Model } from '../../graph/graph.js'
import { readModelFile } from '../../graph/ir/model-file.js'
import { loadModel } from '../../graph/onnx/load.js'
import { readModel } from '../../graph/onnx/read.js'
import { writeModel } from '../../graph/onnx/write.js'
import { dtypes, type NumericDType } from '../../graph/tensor/dtype.js'
import type { TensorSpec } from '../../graph/tensor/spec.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Engine, OpenOptions, Session } from '../engine.js'
import { checkFeeds } from '../feeds.js'
import { profileModels } from './profile.js'

type Ort = typeof import('onnxruntime-node')

/** Operator sets that are compiled into the npm build of ONNX Runtime 1.30; every other domain needs a custom library. */
const domains = ['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft', 'com.microsoft.nchwc', 'com.ms.internal.nhwc']

/**
 * ONNX Runtime on the CPU: float and QDQ int8 alike. The binding runs an inference on the calling thread, so a process that must stay responsive
 * keeps its sessions in a worker.
 */
export const onnxruntimeEngine: Engine = {
  name: 'onnxruntime',
  serves: ({ kind, id }) => (kind === 'cpu' ? { ok: true } : { ok: false, reason: `${id}: ONNX Runtime is built for the CPU here` }),
  supports: node =>
    domains.includes(node.domain) || isFakeQuantize(node)
      ? { ok: true }
      : {
          ok: false,
          reason: `${node.domain}::${node.opType}: ONNX Runtime has no operators of this domain`,
        },
  version: () =>
    (
      createRequire(import.meta.url)('onnxruntime-node/package.json') as {
        version: string
      }
    ).version,
  open: openSession,
  load: async () => {
    await loadOrt()
  },
  profile: profileModels,
}

async function openSession(artifact: string | Uint8Array, options: OpenOptions): Promise<Session> {
  const where = typeof artifact === 'string' ? `model '${artifact}'` : `model of ${artifact.byteLength} bytes`
  try {
    const ort = await loadOrt()
    const settings = sessionOptions(options)
    return new OrtSession(ort, await createSession(ort, artifact, settings))
  } catch (error) {
    throw new QuantdError('ERR_ENGINE_OPEN', `${where}: ${errorMessage(error)}`, { cause: error, details: { engine: 'onnxruntime' } })
  }
}

/**
 * What ONNX Runtime does not read but we have a form of: OpenVINO IR whose layers all have one in ONNX, and FakeQuantize of quantization-aware trained models
 * (`runnableModel`).
 */
async function createSession(
  ort: Ort,
  artifact: string | Uint8Array,
  settings: InferenceSession.SessionOptions,
): Promise<InferenceSession> {
  const create = (from: string | Uint8Array) =>
    typeof from === 'string' ? ort.InferenceSession.create(from, settings) : ort.InferenceSession.create(from, settings)
  const runnable = async (model: Model) => (hasFakeQuantize(model) ? runnableModel(model, { evaluate: evaluateConstants }) : model)
  if (typeof artifact === 'string' && extname(artifact).toLowerCase() === '.xml') {
    return create(writeModel(await runnable(readModelFile(artifact).model)))
  }
  try {
    return await create(artifact)
  } catch (error) {
    if (!errorMessage(error).includes('FakeQuantize')) throw error
    const model = typeof artifact === 'string' ? loadModel(artifact) : readModel(artifact)
    if (!hasFakeQuantize(model)) throw error
    return create(writeModel(await runnable(model)))
  }
}

async function evaluateConstants(model: Model): Promise<ReadonlyMap<string, Tensor>> {
  const session = await openSession(writeModel(model), { threads: 1, optimization: 'disabled' })
  try {
    return new Map(Object.entries(await session.infer({})))
  } finally {
    await session.close()
  }
}

let loading: Promise<Ort> | undefined

/** The native library, loaded once. What it has to say comes as errors; its own lines on stderr are kept for what is fatal. */
function loadOrt(): Promise<Ort> {
  loading ??= import('onnxruntime-node').then(ort => {
    ort.env.logLevel = 'fatal'
    return ort
  })
  return loading
}

function sessionOptions({
  threads,
  optimization = 'all',
  optimizedPath,
  spinning = false,
  memory = 'fast',
}: OpenOptions): InferenceSession.SessionOptions {
  return {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: optimization,
    ...(optimizedPath === undefined ? {} : { optimizedModelFilePath: optimizedPath }),
    // The arena saves the page faults of every large tensor of every run, and never shrinks: right for a served model, wrong for a graph whose
    // intermediate tensors are asked for once. The pattern plans a whole run as one block, and needs the arena to reuse that block.
    enableCpuMemArena: memory === 'fast',
    enableMemPattern: memory === 'fast',
    logSeverityLevel: 4,
    extra: { session: { intra_op: { allow_spinning: spinning ? '1' : '0' } } },
  }
}

class OrtSession implements Session {
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  readonly #ort: Ort
  #session: InferenceSession | undefined

  constructor(ort: Ort, session: InferenceSession) {
    this.#ort = ort
    this.#session = session
    this.inputs = Object.freeze(session.inputMetadata.map(metadata => inputSpec(metadata)))
    // An output that is no numeric tensor (text, a map of scikit-learn) cannot be asked for; the others can.
    this.outputs = Object.freeze(session.outputMetadata.map(tensorSpec).filter(spec => spec !== undefined))
    if (this.outputs.length === 0) throw new Error('none of the outputs is a numeric tensor')
  }

  async infer(feeds: Readonly<Record<string, Tensor>>, wanted?: readonly string[]): Promise<Readonly<Record<string, Tensor>>> {
    const session = this.#session
    if (session === undefined) throw new QuantdError('ERR_ENGINE_CLOSED', 'the session is closed')
    checkFeeds(this.inputs, feeds)
    const names = wanted ?? this.outputs.map(output => output.name)
    const values: Record<string, OrtTensor> = {}
    for (const { name } of this.inputs) values[name] = this.#toOrt(feeds[name]!)
    let results: Readonly<Record<string, OnnxValue>>
    try {
      results = await session.run(values, names)
    } catch (error) {
      throw new QuantdError('ERR_ENGINE_INFER', errorMessage(error), {
        cause: error,
        details: { engine: 'onnxruntime' },
      })
    }
    return Object.fromEntries(names.map(name => [name, fromOrt(results[name]!)]))
  }

  async close(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    await session?.release()
  }

  /** The binding cannot read the Float16Array that newer JavaScript has and its Tensor would make: patterns go in as what they are, under the type's name. */
  #toOrt({ dtype, shape, data }: Tensor): OrtTensor {
    if (dtype === 'float16') return Object.assign(new this.#ort.Tensor('uint16', data as Uint16Array, shape), { type: dtype })
    return new this.#ort.Tensor(dtype as OrtTensor.Type, data as OrtTensor.DataType, shape)
  }
}

function inputSpec(metadata: InferenceSession.ValueMetadata): TensorSpec {
  const spec = tensorSpec(metadata)
  if (spec === undefined) throw new Error(`input '${metadata.name}' is no numeric tensor`)
  return spec
}

function tensorSpec(metadata: InferenceSession.ValueMetadata): TensorSpec | undefined {
  if (!metadata.isTensor || !isNumeric(metadata.type)) return undefined
  const shape = metadata.shape.map(size => (size === '' ? undefined : size))
  return Object.freeze({
    name: metadata.name,
    dtype: metadata.type,
    shape: Object.freeze(shape),
  })
}

const isNumeric = (type: string): type is NumericDType => type in dtypes && dtypes[type as keyof typeof dtypes].array !== undefined

/** Results own their memory. Where JavaScript has a Float16Array the binding answers with one; ours is its bit patterns everywhere. */
function fromOrt(value: OnnxValue): Tensor {
  const { type, dims, data } = value as OrtTensor
  const { array } = dtypes[type as NumericDType]
  const view = data as Exclude<OrtTensor.DataType, string[]>
  return {
    dtype: type as NumericDType,
    shape: dims,
    data: view instanceof array ? view : new array(view.buffer as ArrayBuffer, view.byteOffset, view.length),
  }
}
