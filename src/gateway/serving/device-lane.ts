import type { DeviceWorker } from '../../engines/worker/device-worker.js'
import { errorCode, errorMessage } from '../../errors.js'
import type { DeviceHealth } from '../models/device-health.js'
import type { Models, Route } from '../models/model.js'
import { Refusal } from '../wire-errors.js'
import { FairQueue, type Queued } from './fair-queue.js'
import type { Faults } from './faults.js'
import { Patience } from './patience.js'
import type { Race } from './race.js'
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
  /** True once its worker died under it, or it was asked of another device before. */
  retry: boolean
  /** Device that failed it: another answers if one can. */
  avoid?: string
  /** Whose engine failed it, and how. */
  failed?: { readonly route: Route; readonly why: string }
  readonly race: Race
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
  readonly health: DeviceHealth
  readonly faults: Faults
}

type Held = ReturnType<Models['acquire']>

interface Ready {
  readonly held: Held
  readonly worker: DeviceWorker
}

/** What an engine says when it fails, out of memory for one; whether the request is at fault is seen where it is answered next. */
const deviceFaults: ReadonlySet<string> = new Set(['ERR_ENGINE_INFER', 'ERR_ENGINE_BROKEN', 'ERR_ENGINE_CLOSED', 'ERR_WORKER_KEY'])

/** What a call ends with that the worker did not answer. */
const noAnswers: ReadonlySet<string> = new Set(['ERR_TIMEOUT', 'ERR_WORKER_GONE', 'ERR_WORKER_CLOSED'])

/** What a worker holds, by what it has in work: the next one's bytes are there when the last one ends. A model that batches gets two batches. */
const inWorker = 2

/**
 * The queue in front of one device worker. When the worker dies, what it held is tried once more, each alone: a request that kills its worker does not
 * take its neighbours along a second time. Where another device has a stand-in open, that is where it is tried, and so is what the engine failed on, and what
 * the worker does not answer in time (`Patience`): of the latter the first answer counts.
 */
export class DeviceLane {
  readonly #options: DeviceLaneOptions
  readonly #queue = new FairQueue<Waiting>()
  readonly #retries: Waiting[] = []
  readonly #busyStrict = new Set<string>()
  readonly #patience = new Patience()
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

  /** Sends what waits here to where it is answered now. */
  moveAway(): void {
    const moving = [...this.#retries.splice(0), ...this.#queue.remove(waiting => this.#elsewhere(waiting) !== undefined)]
    for (const waiting of moving) this.#again(waiting)
  }

  /** Drops those whose deadline passed while they waited. */
  sweep(): void {
    const now = this.#options.now()
    for (const waiting of this.#queue.remove(({ request }) => isPast(request, now))) waiting.race.settle({ kind: 'expired', late: false })
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
      if (outcome === 'again') this.#again(waiting)
      else waiting.race.settle(outcome)
      this.#dispatch()
    })
  }

  /** The session and the worker for a request whose turn it is; undefined when it ended here. */
  #prepare(waiting: Waiting): Ready | undefined {
    const { models, device, now, worker, elsewhere, refusal } = this.#options
    const { request, race } = waiting
    if (race.isOver || isPast(request, now())) {
      race.settle({ kind: 'expired', late: false })
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
      race.settle(refusal(waiting, error))
    }
    held?.release()
    return undefined
  }

  /** Queued here or there, as one to be tried again. */
  #again(waiting: Waiting): void {
    const other = this.#elsewhere(waiting)
    if (other === undefined) this.#retries.push(waiting)
    else this.#options.elsewhere(waiting, other)
  }

  /** Another device that answers the request now, or would if this one is avoided: that of a stand-in for the version that this one has. */
  #elsewhere({ request }: Waiting, avoid?: string): string | undefined {
    const { models, device } = this.#options
    try {
      const held = models.acquire(request.model, request.version, avoid === undefined ? {} : { avoid })
      held.release()
      return held.route.device === device ? undefined : held.route.device
    } catch {
      // Unloaded meanwhile, or being loaded: nobody else has it.
      return undefined
    }
  }

  /** The worker has not answered in time: whoever can answers as well, and what comes next goes there at once. */
  #giveUp(waiting: Waiting, worker: DeviceWorker): void {
    const { device, health, elsewhere, retried } = this.#options
    const other = this.#elsewhere(waiting, device)
    if (other === undefined) return
    health.silent(device)
    worker.check()
    if (!waiting.race.isOver) {
      waiting.race.join()
      retried()
      elsewhere({ ...waiting, retry: true, avoid: device }, other)
    }
    this.moveAway()
  }

  async #infer(waiting: Waiting, { worker, held: { route } }: Ready): Promise<InferOutcome | 'again'> {
    const { now, timeoutMs, refusal, health } = this.#options
    const { request } = waiting
    const started = now()
    // What is tried again has been elsewhere already.
    const hasStandIn = !waiting.retry && this.#elsewhere(waiting, route.device) !== undefined
    const silentMs = Math.min(this.#patience.limitMs(route), timeoutMs())
    const impatience = hasStandIn ? setTimeout(() => this.#giveUp(waiting, worker), silentMs) : undefined
    try {
      const { meta, body } = await worker.call('infer', callOf(route.key, request), {
        body: request.body,
        timeoutMs: timeoutMs(),
        ...(hasStandIn ? { silentMs } : {}),
      })
      const ended = now()
      this.#patience.add(route, ended - started)
      health.answers(route.device)
      if (isPast(request, ended)) return { kind: 'expired', late: true }
      const { decodeUs, inferUs, encodeUs } = meta
      const queueUs = Math.max(0, Math.round((ended - waiting.arrived) * 1000 - decodeUs - inferUs - encodeUs))
      this.#told(waiting, route)
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
      if (errorCode(error) === 'ERR_ENGINE_BROKEN') worker.replace(errorMessage(error))
      else if (!noAnswers.has(errorCode(error))) health.answers(route.device)
      if (this.#isTriedAgain(waiting, route, error)) return 'again'
      // A process that answers pings and does not end an inference would hold all that come after it.
      if (hasStandIn && errorCode(error) === 'ERR_TIMEOUT') worker.replace(`an inference did not end within ${timeoutMs()} ms`)
      return refusal(waiting, lost(errorCode(error), route.device, error))
    } finally {
      clearTimeout(impatience)
    }
  }

  /** Whose engine answered, and whose failed on the same request. */
  #told({ failed }: Waiting, route: Route): void {
    const { faults } = this.#options
    faults.answered(route)
    if (failed !== undefined && failed.route.device !== route.device) faults.add(failed.route, failed.why)
  }

  /** Once, for what is not the fault of the request as far as is known here; not while another is asked already. */
  #isTriedAgain(waiting: Waiting, route: Route, error: unknown): boolean {
    const { retried } = this.#options
    const code = errorCode(error)
    if (waiting.retry || waiting.race.asked > 1 || waiting.race.isOver) return false
    if (deviceFaults.has(code) && this.#elsewhere(waiting, route.device) !== undefined) {
      waiting.avoid = route.device
      waiting.failed = { route, why: errorMessage(error) }
    } else if (code !== 'ERR_WORKER_GONE') return false
    waiting.retry = true
    retried()
    return true
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
