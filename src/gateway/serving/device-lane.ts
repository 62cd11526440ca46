import type { DeviceWorker } from '../../engines/worker/device-worker.js'
import { errorCode } from '../../errors.js'
import type { Models } from '../models/model.js'
import { Refusal } from '../wire-errors.js'
import { FairQueue, type Queued } from './fair-queue.js'
import type { InferOutcome, InferRequest } from './serving.js'

/** A request between the door and its outcome. */
export interface Waiting extends Queued {
  readonly request: InferRequest
  /** One at a time per model, in order of arrival. */
  readonly strict: boolean
  /** Requests that the model's session may have in work: those of one inference, times the inferences that run side by side. */
  readonly atOnce: number
  /** Monotonic milliseconds. */
  readonly arrived: number
  /** True once its worker died under it. */
  retry: boolean
  /** Device that failed it: another answers if one can. */
  avoid?: string
  readonly settle: (outcome: InferOutcome) => void
}

export interface DeviceLaneOptions {
  readonly device: string
  readonly models: Models
  readonly worker: () => DeviceWorker | undefined
  readonly timeoutMs: () => number
  readonly now: () => number
  /** The active version moved to another device while the request waited. */
  readonly elsewhere: (waiting: Waiting, device: string) => void
  readonly refusal: (waiting: Waiting, error: unknown) => InferOutcome
  readonly retried: () => void
}

type Held = ReturnType<Models['acquire']>

interface Ready {
  readonly held: Held
  readonly worker: DeviceWorker
}

/** What an engine says when it fails, out of memory for one; whether the request is at fault is seen where it is answered next. */
const deviceFaults: ReadonlySet<string> = new Set(['ERR_ENGINE_INFER', 'ERR_ENGINE_CLOSED', 'ERR_WORKER_KEY'])

/** What a worker holds, by what it has in work: the next one's bytes are there when the last one ends. A model that batches gets two batches. */
const inWorker = 2

/**
 * The queue in front of one device worker. When the worker dies, what it held is tried once more, each alone: a request that kills its worker does not
 * take its neighbours along a second time. Where another device has a stand-in open, that is where it is tried, and so is what the engine failed on.
 */
export class DeviceLane {
  readonly #options: DeviceLaneOptions
  readonly #queue = new FairQueue<Waiting>()
  readonly #retries: Waiting[] = []
  readonly #busyStrict = new Set<string>()
  #inFlight = 0
  #alone = false

  constructor(options: DeviceLaneOptions) {
    this.#options = options
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get queued(): number {
    return this.#queue.size + this.#retries.length
  }

  get queuedBytes(): number {
    return this.#queue.bytes
  }

  push(waiting: Waiting): void {
    if (waiting.retry) this.#retries.push(waiting)
    else this.#queue.push(waiting)
    this.#dispatch()
  }

  /** Drops those whose deadline passed while they waited. */
  sweep(): void {
    const now = this.#options.now()
    for (const waiting of this.#queue.remove(({ request }) => isPast(request, now))) waiting.settle({ kind: 'expired', late: false })
  }

  #dispatch(): void {
    for (;;) {
      if (this.#alone) return
      const retry = this.#retries[0]
      if (retry !== undefined) {
        if (this.#inFlight > 0) return
        this.#retries.shift()
        this.#start(retry)
        continue
      }
      const next = this.#queue.take(waiting => this.#mayStart(waiting))
      if (next === undefined) return
      this.#start(next)
    }
  }

  #mayStart({ request, strict, atOnce }: Waiting): boolean {
    return this.#inFlight < inWorker * atOnce && !(strict && this.#busyStrict.has(request.model))
  }

  #start(waiting: Waiting): void {
    const ready = this.#prepare(waiting)
    if (ready === undefined) return
    const { request, strict } = waiting
    this.#inFlight += 1
    this.#alone = waiting.retry
    if (strict) this.#busyStrict.add(request.model)
    void this.#infer(waiting, ready).then(outcome => {
      ready.held.release()
      this.#inFlight -= 1
      this.#alone = false
      if (strict) this.#busyStrict.delete(request.model)
      if (outcome === 'again') this.#retries.push(waiting)
      else waiting.settle(outcome)
      this.#dispatch()
    })
  }

  /** The session and the worker for a request whose turn it is; undefined when it ended here. */
  #prepare(waiting: Waiting): Ready | undefined {
    const { models, device, now, worker, elsewhere, refusal } = this.#options
    const { request, settle } = waiting
    if (isPast(request, now())) {
      settle({ kind: 'expired', late: false })
      return undefined
    }
    let held: Held | undefined
    try {
      held = models.acquire(request.model, request.version, avoiding(waiting))
      const process = worker()
      if (held.route.device === device && process !== undefined) return { held, worker: process }
      if (held.route.device !== device) elsewhere(waiting, held.route.device)
      else throw new Refusal('NOT_READY', 'ERR_SERVING_NO_DEVICE', `no worker runs for '${device}'`, { retryAfterMs: 1000 })
    } catch (error) {
      settle(refusal(waiting, error))
    }
    held?.release()
    return undefined
  }

  /** Whether another device would answer the request: a stand-in for the version that this one has. */
  #answersElsewhere({ request }: Waiting): boolean {
    const { models, device } = this.#options
    try {
      const held = models.acquire(request.model, request.version, { avoid: device })
      held.release()
      return held.route.device !== device
    } catch {
      // Unloaded meanwhile, or being loaded: nobody else has it.
      return false
    }
  }

  async #infer(waiting: Waiting, { worker, held: { route } }: Ready): Promise<InferOutcome | 'again'> {
    const { now, timeoutMs, refusal, retried } = this.#options
    const { request } = waiting
    try {
      const { meta, body } = await worker.call('infer', callOf(route.key, request), { body: request.body, timeoutMs: timeoutMs() })
      const ended = now()
      if (isPast(request, ended)) return { kind: 'expired', late: true }
      const { decodeUs, inferUs, encodeUs } = meta
      const queueUs = Math.max(0, Math.round((ended - waiting.arrived) * 1000 - decodeUs - inferUs - encodeUs))
      return {
        kind: 'answer',
        contentType: meta.contentType,
        ...(meta.jsonLength === undefined ? {} : { jsonLength: meta.jsonLength }),
        body,
        model: route.model,
        version: route.version,
        device: route.device,
        times: { queueUs, decodeUs, inferUs, encodeUs },
        ...(meta.confidence === undefined ? {} : { confidence: meta.confidence }),
      }
    } catch (error) {
      const code = errorCode(error)
      if (!waiting.retry && (code === 'ERR_WORKER_GONE' || (deviceFaults.has(code) && this.#answersElsewhere(waiting)))) {
        waiting.retry = true
        if (code !== 'ERR_WORKER_GONE') waiting.avoid = route.device
        retried()
        return 'again'
      }
      return refusal(waiting, lost(code, route.device, error))
    }
  }
}

const avoiding = ({ avoid }: Waiting) => (avoid === undefined ? {} : { avoid })

/** A dead or stuck device is named as such; what the worker said of the request itself passes as it is. */
function lost(code: string, device: string, cause: unknown): unknown {
  if (code === 'ERR_WORKER_GONE')
    return new Refusal('DEVICE_LOST', 'ERR_SERVING_DEVICE', `device '${device}' died twice under this request`, {
      details: { device },
      cause,
    })
  if (code === 'ERR_TIMEOUT')
    return new Refusal('DEVICE_LOST', 'ERR_SERVING_SLOW', `device '${device}' gave no answer in time`, { details: { device }, cause })
  return cause
}

function callOf(key: string, { contentType, jsonLength, id }: InferRequest) {
  return { key, contentType, ...(jsonLength === undefined ? {} : { jsonLength }), ...(id === undefined ? {} : { id }) }
}

function isPast({ deadline }: InferRequest, now: number): boolean {
  return deadline !== undefined && now >= deadline
}
