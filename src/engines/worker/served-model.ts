import { errorCode, errorMessage, QuantdError } from '../../errors.js'
import { dtypes } from '../../graph/tensor/dtype.js'
import { elementCount, type Tensor } from '../../graph/tensor/tensor.js'
import { logger } from '../../log.js'
import { loadImages } from '../../samples/decode-image.js'
import { type DecodedRequest, decodeRequest } from '../../samples/decode-request.js'
import { encodeResponse } from '../../samples/encode-response.js'
import type { Manifest } from '../../samples/manifest.js'
import type { EncodedRequest, EncodedResponse } from '../../samples/request.js'
import type { RequestContext } from '../../samples/request-context.js'
import { engineNamed } from '../catalog.js'
import type { Session } from '../engine.js'
import { confidenceOf } from './confidence.js'
import { InferenceQueue } from './inference-queue.js'
import type { DeviceWorkerCalls } from './protocol.js'

const log = logger('engines/worker')

type OpenRequest = DeviceWorkerCalls['open']['request']

export interface ServedAnswer extends EncodedResponse {
  readonly decodeUs: number
  readonly inferUs: number
  readonly encodeUs: number
  readonly batched: number
  readonly confidence?: number
}

/** A model open on its engine, from request bytes to answer bytes. */
export class ServedModel {
  readonly context: RequestContext
  readonly session: Session
  readonly queue: InferenceQueue
  readonly #request: OpenRequest

  private constructor(request: OpenRequest, session: Session) {
    this.#request = request
    this.session = session
    this.context = { inputs: session.inputs, outputs: session.outputs, manifest: request.manifest }
    this.queue = new InferenceQueue(session, request.manifest.batch)
  }

  /** Opens and runs once on zeros, wherever it may run side by side: kernels are prepared and memory is laid out before the first request. @throws ERR_ENGINE_OPEN, ERR_ENGINE_UNKNOWN, ERR_ENGINE_BROKEN */
  static async open(request: OpenRequest): Promise<ServedModel> {
    const session = await engineNamed(request.engine).open(request.artifact, { threads: request.threads, ...request.options })
    const model = new ServedModel(request, session)
    await model.#warm()
    return model
  }

  async #warm(): Promise<void> {
    const { manifest, modelName, version } = this.#request
    if (Object.values(manifest.inputs).some(preprocessing => preprocessing.from === 'image')) await loadImages()
    try {
      const zeros = zeroFeeds(this.session, manifest)
      await Promise.all(Array.from({ length: this.session.parallel ?? 1 }, () => this.session.infer(zeros)))
    } catch (error) {
      if (errorCode(error) === 'ERR_ENGINE_BROKEN') throw error
      // Zeros of guessed sizes are no input that every model must take.
      log.info({ model: modelName, version, reason: errorMessage(error).slice(0, 200) }, 'not warmed up: the model takes no zeros')
    }
  }

  /** @throws ERR_REQUEST_*, ERR_ENGINE_INFER, ERR_ENGINE_FEED */
  async infer(request: EncodedRequest, fallbackId: string | undefined): Promise<ServedAnswer> {
    const { manifest, modelName, version } = this.#request
    const start = performance.now()
    const { inputs, outputs: wanted, id = fallbackId } = await decodeRequest(request, this.context)
    const decoded = performance.now()
    const { outputs, inferUs, batched } = await this.queue.infer(
      inputs,
      wanted.map(({ name }) => name),
    )
    const inferred = performance.now()
    const response = encodeResponse({ modelName, modelVersion: version, id, outputs, wanted })
    const judged = outputs[manifest.output ?? this.session.outputs[0]?.name ?? '']
    const confidence = confidenceOf(manifest.task, judged)
    // The response is a copy. What came from a shared inference is a part of its memory.
    if (batched === 1) this.session.recycle?.(outputs)
    const times = { decodeUs: micros(start, decoded), inferUs, encodeUs: micros(inferred, performance.now()) }
    return { ...response, ...times, batched, ...(confidence === undefined ? {} : { confidence }) }
  }

  /** @throws ERR_REQUEST_* */
  decode(request: EncodedRequest): Promise<DecodedRequest> {
    return decodeRequest(request, this.context)
  }

  /** After what is queued. */
  close(): Promise<void> {
    return this.queue.exclusive(() => this.session.close())
  }
}

const micros = (from: number, to: number) => Math.round((to - from) * 1000)

/** Zeros for every input; free sizes are the picture's where model.json names it, else 1. */
function zeroFeeds({ inputs }: Session, manifest: Manifest): Record<string, Tensor> {
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape }): [string, Tensor] => {
      const image = manifest.inputs[name]
      const [height, width] = image?.from === 'image' ? [image.height, image.width] : []
      const [h, w] = image?.from === 'image' && image.layout === 'nhwc' ? [1, 2] : [2, 3]
      const sizes = shape.map((size, axis) =>
        typeof size === 'number' ? size : ((axis === h ? height : axis === w ? width : undefined) ?? 1),
      )
      if (elementCount(sizes) > 2 ** 28) throw new QuantdError('ERR_ENGINE_FEED', `input '${name}' has ${elementCount(sizes)} elements`)
      return [name, { dtype, shape: sizes, data: new dtypes[dtype].array(elementCount(sizes)) }]
    }),
  )
}
