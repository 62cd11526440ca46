import { errorMessage, QuantdError } from '../../errors.js'
import { dtypes, type NumericDType, type TensorData } from '../../graph/tensor/dtype.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Pointer, ProfileEntry } from '../../hardware/openvino/library.js'
import type { Session, TensorSpec } from '../engine.js'
import { checkFeeds } from '../feeds.js'
import type { Core } from './core.js'
import { type PortsOf, readPorts } from './ports.js'

/** Inferences that take longer are waited for on a thread of the pool: the worker answers pings meanwhile. Below, the way there costs more than it saves. */
const asyncFromMs = 20

/** One input tensor of OpenVINO's own memory, kept from inference to inference while its shape stays. */
interface InputTensor {
  readonly tensor: Pointer
  readonly shape: string
  readonly data: TensorData
}

/** A compiled model with one infer request. */
export class OpenvinoSession implements Session {
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  readonly #core: Core
  readonly #compiled: Pointer
  readonly #request: Pointer
  readonly #tensors = new Map<string, InputTensor>()
  #lastMs = 0
  #closed = false

  /** Owns the compiled model from here on, and reads the names of its ports off the other one. @throws ERR_OPENVINO */
  constructor(core: Core, ports: PortsOf) {
    this.#core = core
    this.#compiled = ports.compiled
    this.inputs = Object.freeze(readPorts(core, ports, 'input'))
    this.outputs = Object.freeze(readPorts(core, ports, 'output'))
    this.#request = core.library.out<Pointer>('ov_compiled_model_create_infer_request', ports.compiled)
  }

  async infer(feeds: Readonly<Record<string, Tensor>>, wanted?: readonly string[]): Promise<Readonly<Record<string, Tensor>>> {
    if (this.#closed) throw new QuantdError('ERR_ENGINE_CLOSED', 'the session is closed')
    checkFeeds(this.inputs, feeds)
    const { library } = this.#core
    try {
      this.inputs.forEach(({ name }, index) => {
        this.#feed(index, name, feeds[name]!)
      })
      const started = performance.now()
      if (this.#lastMs < asyncFromMs) library.check('ov_infer_request_infer', this.#request)
      else {
        // Started from here: the way to the other thread is gone while it already runs.
        library.check('ov_infer_request_start_async', this.#request)
        await library.checkAsync('ov_infer_request_wait', this.#request)
      }
      this.#lastMs = performance.now() - started
      const names = wanted ?? this.outputs.map(({ name }) => name)
      return Object.fromEntries(names.map(name => [name, this.#answer(name)]))
    } catch (error) {
      throw new QuantdError('ERR_ENGINE_INFER', errorMessage(error), { cause: error, details: { engine: 'openvino' } })
    }
  }

  /** What each node took in the last inference and by which kernel; only of a session that was opened with profiling. */
  profile(): readonly ProfileEntry[] {
    const { library } = this.#core
    const list: { infos?: Pointer; size?: number | bigint } = {}
    library.check('ov_infer_request_get_profiling_info', this.#request, list)
    const entries = library.decodeProfile(list.infos!, Number(list.size))
    library.call('ov_profiling_info_list_free', list)
    return entries
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const { library } = this.#core
    for (const { tensor } of this.#tensors.values()) library.call('ov_tensor_free', tensor)
    library.call('ov_infer_request_free', this.#request)
    library.call('ov_compiled_model_free', this.#compiled)
  }

  /** Copies the feed into the request's own memory: that of a small JavaScript array may move while a thread reads it. */
  #feed(index: number, name: string, { dtype, shape, data }: Tensor): void {
    const key = shape.join()
    let held = this.#tensors.get(name)
    if (held === undefined || held.shape !== key) {
      const { library, types } = this.#core
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
    const { library, types } = this.#core
    const index = this.outputs.findIndex(output => output.name === name)
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
      const memory = bytes === 0 ? new ArrayBuffer(0) : library.view(library.out<Pointer>('ov_tensor_data', tensor), bytes)
      return { dtype, shape: sizes, data: new array(memory.slice(0)) }
    } finally {
      library.call('ov_tensor_free', tensor)
    }
  }
}
