import { errorCode, errorMessage, QuantdError } from '../../errors.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Pointer, ProfileEntry } from '../../hardware/openvino/library.js'
import type { OpenOptions, Session, TensorSpec } from '../engine.js'
import { checkFeeds } from '../feeds.js'
import { AnswerMemory } from './answer-memory.js'
import type { Core } from './core.js'
import { InferRequest } from './infer-request.js'
import { type PortsOf, readPorts } from './ports.js'

/** A compiled model with its infer requests: one, or with the throughput hint as many as OpenVINO runs well side by side. What comes beyond them waits its turn. */
export class OpenvinoSession implements Session {
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  readonly parallel: number
  readonly #core: Core
  readonly #compiled: Pointer
  readonly #idle: InferRequest[]
  readonly #memory = new AnswerMemory()
  readonly #waiting: ((request: InferRequest) => void)[] = []
  #last: InferRequest
  #closing: Promise<void> | undefined
  #broken: QuantdError | undefined

  /** Owns the compiled model from here on, and reads the names of its ports off the other one. @throws ERR_OPENVINO */
  constructor(core: Core, { hint, ...ports }: PortsOf & { readonly hint: NonNullable<OpenOptions['hint']> }) {
    const { compiled } = ports
    this.#core = core
    this.#compiled = compiled
    this.inputs = Object.freeze(readPorts(core, ports, 'input'))
    this.outputs = Object.freeze(readPorts(core, ports, 'output'))
    this.parallel = hint === 'throughput' ? optimalRequests(core, compiled) : 1
    const options = { core, compiled, inputs: this.inputs, outputs: this.outputs, memory: this.#memory, beside: this.parallel > 1 }
    this.#idle = Array.from({ length: this.parallel }, () => new InferRequest(options))
    this.#last = this.#idle[0]!
  }

  async infer(feeds: Readonly<Record<string, Tensor>>, wanted?: readonly string[]): Promise<Readonly<Record<string, Tensor>>> {
    if (this.#closing !== undefined) throw new QuantdError('ERR_ENGINE_CLOSED', 'the session is closed')
    checkFeeds(this.inputs, feeds)
    const request = this.#idle.pop() ?? (await new Promise<InferRequest>(resolve => this.#waiting.push(resolve)))
    this.#last = request
    try {
      if (this.#broken !== undefined) throw this.#broken
      const answer = await request.infer(feeds, wanted ?? this.outputs.map(({ name }) => name))
      // Another one broke what this one ran on.
      if (this.#broken !== undefined) throw this.#broken
      return answer
    } catch (error) {
      throw this.#failed(error)
    } finally {
      this.#release(request)
    }
  }

  /** After memory ran out a graph of OpenVINO computes nonsense, reports success for what it does not compute, or crashes: it is not asked again. */
  #failed(cause: unknown): QuantdError {
    if (cause === this.#broken) return this.#broken as QuantdError
    const message = errorMessage(cause)
    const details = { engine: 'openvino' }
    const isBroken = errorCode(cause) === 'ERR_ENGINE_BROKEN' || !this.#core.library.tellsErrors || /bad_alloc|allocate/i.test(message)
    if (!isBroken) return new QuantdError('ERR_ENGINE_INFER', message, { cause, details })
    this.#broken = new QuantdError('ERR_ENGINE_BROKEN', message, { cause, details })
    return this.#broken
  }

  /** What each node took in the inference that began last and by which kernel; only of a session that was opened with profiling, while none runs. */
  profile(): readonly ProfileEntry[] {
    return this.#last.profile()
  }

  recycle(outputs: Readonly<Record<string, Tensor>>): void {
    this.#memory.give(Object.values(outputs))
  }

  /** After what was asked for before. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const requests: InferRequest[] = []
    while (requests.length < this.parallel) {
      requests.push(this.#idle.pop() ?? (await new Promise<InferRequest>(resolve => this.#waiting.push(resolve))))
    }
    for (const request of requests) request.close()
    this.#core.library.call('ov_compiled_model_free', this.#compiled)
  }

  #release(request: InferRequest): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#idle.push(request)
    else next(request)
  }
}

function optimalRequests({ library }: Core, compiled: Pointer): number {
  const text = library.out<string>('ov_compiled_model_get_property', compiled, 'OPTIMAL_NUMBER_OF_INFER_REQUESTS')
  return Math.max(1, Number.parseInt(text, 10) || 1)
}
