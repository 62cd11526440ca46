import { QuantdError } from '../../errors.js'
import { dtypes, type NumericDType, type TensorData } from '../../graph/tensor/dtype.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Pointer, ProfileEntry } from '../../hardware/openvino/library.js'
import type { TensorSpec } from '../engine.js'
import type { AnswerMemory } from './answer-memory.js'
import type { Core } from './core.js'
import { emptyOutputs, hasRoom, markOutputs, stillMarked } from './output-marks.js'

/** Inferences that take longer are waited for on a thread of the pool: the worker answers pings meanwhile. Below, the way there costs more than it saves. */
const asyncFromMs = 20

export interface InferRequestOptions {
  readonly core: Core
  readonly compiled: Pointer
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  readonly memory: AnswerMemory
  /** True: other requests of the model run beside it, so that this thread never waits. */
  readonly beside: boolean
}

/** One input tensor of OpenVINO's own memory, kept from inference to inference while its shape stays. */
interface InputTensor {
  readonly tensor: Pointer
  readonly shape: string
  readonly data: TensorData
}

/** One infer request of a compiled model: what may run once at a time. */
export class InferRequest {
  readonly #options: InferRequestOptions
  readonly #request: Pointer
  readonly #tensors = new Map<string, InputTensor>()
  #lastMs = 0
  /** Of the feeds of the last inference that is known to have computed its outputs: only a change of them can fail unnoticed. */
  #provenShapes: string | undefined

  /** @throws ERR_OPENVINO */
  constructor(options: InferRequestOptions) {
    this.#options = options
    this.#request = options.core.library.out<Pointer>('ov_compiled_model_create_infer_request', options.compiled)
  }

  /** @param feeds checked. @throws ERR_OPENVINO, ERR_ENGINE_BROKEN; Error for an output that the model does not have */
  async infer(feeds: Readonly<Record<string, Tensor>>, names: readonly string[]): Promise<Readonly<Record<string, Tensor>>> {
    const {
      core: { library },
      inputs,
      outputs,
      beside,
    } = this.#options
    const shapes = inputs.map(({ name }) => feeds[name]!.shape.join()).join(' ')
    const provenShapes = this.#provenShapes
    const marked = shapes === provenShapes ? [] : markOutputs(library, this.#request, outputs.length)
    this.#provenShapes = undefined
    inputs.forEach(({ name }, index) => {
      this.#feed(index, name, feeds[name]!)
    })
    const started = performance.now()
    if (!beside && this.#lastMs < asyncFromMs) library.check('ov_infer_request_infer', this.#request)
    else {
      // Started from here: the way to the other thread is gone while it already runs.
      library.check('ov_infer_request_start_async', this.#request)
      await library.checkAsync('ov_infer_request_wait', this.#request)
    }
    this.#lastMs = performance.now() - started
    if (shapes !== provenShapes) this.#prove(marked)
    this.#provenShapes = shapes
    return Object.fromEntries(names.map(name => [name, this.#answer(name)]))
  }

  /** @throws ERR_ENGINE_BROKEN for an inference that was none */
  #prove(marked: readonly number[]): void {
    const { core, outputs } = this.#options
    const { library, types } = core
    const unwritten = stillMarked(library, this.#request, marked)
    const empty = emptyOutputs(library, this.#request, outputs.length)
    if (unwritten.length === 0 && (empty.length === 0 || hasRoom(library, types.numberOf('uint8')))) return
    throw notComputed([...unwritten, ...empty].map(index => outputs[index]!.name))
  }

  /** What each node took in the last inference and by which kernel; only of a model that was compiled with profiling. */
  profile(): readonly ProfileEntry[] {
    const { library } = this.#options.core
    const list: { infos?: Pointer; size?: number | bigint } = {}
    library.check('ov_infer_request_get_profiling_info', this.#request, list)
    const entries = library.decodeProfile(list.infos!, Number(list.size))
    library.call('ov_profiling_info_list_free', list)
    return entries
  }

  /** Once, while it does not run. */
  close(): void {
    const { library } = this.#options.core
    for (const { tensor } of this.#tensors.values()) library.call('ov_tensor_free', tensor)
    library.call('ov_infer_request_free', this.#request)
  }

  /** Copies the feed into the request's own memory: that of a small JavaScript array may move while a thread reads it. */
  #feed(index: number, name: string, { dtype, shape, data }: Tensor): void {
    const key = shape.join()
    let held = this.#tensors.get(name)
    if (held === undefined || held.shape !== key) {
      const { library, types } = this.#options.core
      const dims = BigInt64Array.from(shape, BigInt)
      const tensor = library.out<Pointer>('ov_tensor_create', types.numberOf(dtype), { rank: shape.length, dims })
      const { array } = dtypes[dtype]
      const address = library.out<Pointer>('ov_tensor_data', tensor)
      const memory = data.byteLength === 0 ? new ArrayBuffer(0) : library.view(address, data.byteLength)
      library.check('ov_infer_request_set_input_tensor_by_index', this.#request, index, tensor)
      if (held !== undefined) library.call('ov_tensor_free', held.tensor)
      held = { tensor, shape: key, data: new array(memory) }
      this.#tensors.set(name, held)
    }
    held.data.set(data as never)
  }

  /** A copy: the next inference writes over the request's own. */
  #answer(name: string): Tensor {
    const { core, outputs, memory } = this.#options
    const { library, types } = core
    const index = outputs.findIndex(output => output.name === name)
    if (index === -1) throw new Error(`output '${name}' is unknown`)
    const tensor = library.out<Pointer>('ov_infer_request_get_output_tensor_by_index', this.#request, index)
    try {
      const shape: { rank?: number | bigint; dims?: Pointer } = {}
      library.check('ov_tensor_get_shape', tensor, shape)
      const sizes = library.decodeInt64s(shape.dims!, Number(shape.rank))
      library.call('ov_shape_free', shape)
      const bytes = Number(library.out<number | bigint>('ov_tensor_get_byte_size', tensor))
      const dtype = types.dtypeOf(library.out<number>('ov_tensor_get_element_type', tensor))! as NumericDType
      const { array } = dtypes[dtype]
      const copy = memory.take(bytes)
      if (bytes > 0) new Uint8Array(copy).set(new Uint8Array(library.view(library.out<Pointer>('ov_tensor_data', tensor), bytes)))
      return { dtype, shape: sizes, data: new array(copy) }
    } finally {
      library.call('ov_tensor_free', tensor)
    }
  }
}

const notComputed = (names: readonly string[]) =>
  new QuantdError(
    'ERR_ENGINE_BROKEN',
    `OpenVINO reports success, and has not computed ${names.join(', ')}: it ran out of memory, most likely`,
    {
      details: { outputs: names },
    },
  )
