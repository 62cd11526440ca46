import { randomUUID } from 'node:crypto'
import type { DeviceWorker } from '../../engines/worker/device-worker.js'
import { errorCode } from '../../errors.js'
import { logger } from '../../log.js'
import { type Clock, systemClock } from '../../time.js'
import type { DeviceHealth } from '../models/device-health.js'
import type { Models, Route } from '../models/model.js'
import { Refusal, toWireError, type WireError } from '../wire-errors.js'
import { DeviceLane, type Waiting } from './device-lane.js'
import { Faults } from './faults.js'
import { LatencyWindow } from './latency-window.js'
import { Race } from './race.js'
import type { InferOutcome, InferRequest, Serving, ServingFigures } from './serving.js'

export interface ServingLimits {
  /** Requests waiting, all models. */
  readonly queue: number
  /** Bytes of requests waiting. */
  readonly queueBytes: number
  /** Requests of one caller, waiting or running. */
  readonly perCaller: number
  readonly maxPayloadBytes: number
  /** One inference; beyond it the device counts as faulty. */
  readonly timeoutMs: number
}

export interface ServingQueueOptions {
  readonly models: Models
  /** The worker of a device id; undefined when none runs. */
  readonly worker: (device: string) => DeviceWorker | undefined
  /** Read at each request: a reloaded configuration holds from the next one on. */
  readonly limits: () => ServingLimits
  /** Hears of devices that fail where another stands in; default: nobody does. */
  readonly health?: DeviceHealth
  readonly clock?: Clock
}

const nobody: DeviceHealth = { silent: () => undefined, answers: () => undefined, dismiss: () => undefined }

type Answer = InferOutcome & { kind: 'answer' }

const log = logger('gateway/serving')

/** How often requests that wait are looked at for passed deadlines; those that start are looked at anyway. */
const sweepMs = 250

/** One queue per device in front of its worker; the worker decodes, batches, infers and encodes. */
export class ServingQueue implements Serving {
  readonly #options: ServingQueueOptions
  readonly #clock: Clock
  readonly #lanes = new Map<string, DeviceLane>()
  readonly #callers = new Map<string, number>()
  readonly #listeners = new Set<(request: InferRequest, outcome: Answer) => void>()
  readonly #deviceListeners = new Set<(event: 'lost' | 'back', device: string) => void>()
  readonly #window = new LatencyWindow()
  readonly #faults: Faults
  readonly #counts = { received: 0, answered: 0, refused: 0, expired: 0, expiredLate: 0, retried: 0 }
  #draining = false
  #idle: (() => void)[] = []
  #sweep: NodeJS.Timeout | undefined

  constructor(options: ServingQueueOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#faults = new Faults(options.health ?? nobody)
  }

  infer(request: InferRequest): Promise<InferOutcome> {
    this.#counts.received += 1
    let route: Route
    try {
      route = this.#door(request)
    } catch (error) {
      this.#counts.refused += 1
      return Promise.resolve(this.#refusal(request, error))
    }
    this.#callers.set(request.caller, (this.#callers.get(request.caller) ?? 0) + 1)
    return new Promise(resolve => {
      const { order, batch } = this.#options.models.get(request.model).manifest
      const strict = order === 'strict'
      const waiting: Waiting = {
        request,
        flow: strict ? `model ${request.model}` : request.caller,
        priority: strict ? 1 : request.priority,
        strict,
        atOnce: batch * route.parallel,
        bytes: request.body.byteLength,
        arrived: this.#clock.now(),
        retry: false,
        race: new Race(outcome => {
          this.#settle(waiting, outcome)
          resolve(outcome)
        }),
      }
      this.#lane(route.device).push(waiting)
      this.#armSweep()
    })
  }

  wouldRefuse(request: InferRequest): WireError | undefined {
    try {
      this.#door(request)
      return undefined
    } catch (error) {
      return this.#wireError(request, error)
    }
  }

  figures(): ServingFigures {
    return {
      draining: this.#draining,
      ...this.#waiting(),
      inFlight: this.#sum(lane => lane.inFlight),
      ...this.#counts,
      requestsPerSecond: this.#window.rate(this.#clock.now()),
      ...this.#window.quantiles(),
    }
  }

  drain(): Promise<void> {
    this.#draining = true
    if (this.#callers.size === 0) return Promise.resolve()
    return new Promise(resolve => this.#idle.push(resolve))
  }

  resume(): void {
    this.#draining = false
  }

  onDevice(listener: (event: 'lost' | 'back', device: string) => void): () => void {
    this.#deviceListeners.add(listener)
    return () => this.#deviceListeners.delete(listener)
  }

  onAnswer(listener: (request: InferRequest, outcome: Answer) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Where the request would go. @throws Refusal */
  #door(request: InferRequest): Route {
    const limits = this.#options.limits()
    const { byteLength } = request.body
    if (this.#draining) throw new Refusal('NOT_READY', 'ERR_SERVING_DRAINING', 'the gateway takes no new requests', { retryAfterMs: 1000 })
    if (byteLength > limits.maxPayloadBytes)
      throw new Refusal(
        'PAYLOAD_TOO_LARGE',
        'ERR_SERVING_SIZE',
        `the request has ${byteLength} bytes, the limit is ${limits.maxPayloadBytes}`,
        {
          details: { bytes: byteLength, limit: limits.maxPayloadBytes },
        },
      )
    const held = this.#options.models.acquire(request.model, request.version)
    held.release()
    const ofCaller = this.#callers.get(request.caller) ?? 0
    if (ofCaller >= limits.perCaller)
      throw new Refusal('OVERLOADED', 'ERR_SERVING_CALLER', `'${request.caller}' has ${ofCaller} requests waiting or running`, {
        details: { limit: limits.perCaller },
        retryAfterMs: this.#retryAfterMs(ofCaller),
      })
    const { queued, queuedBytes } = this.#waiting()
    if (queued >= limits.queue || queuedBytes + byteLength > limits.queueBytes)
      throw new Refusal('OVERLOADED', 'ERR_SERVING_FULL', `${queued} requests of ${queuedBytes} bytes are waiting`, {
        details: { queue: limits.queue, queueBytes: limits.queueBytes },
        retryAfterMs: this.#retryAfterMs(queued),
      })
    return held.route
  }

  /** About when half of `ahead` requests will be done at the present rate. */
  #retryAfterMs(ahead: number): number {
    const perSecond = Math.max(this.#window.rate(this.#clock.now()), 1)
    return Math.round(Math.min(5000, Math.max(50, (ahead / 2 / perSecond) * 1000)))
  }

  #lane(device: string): DeviceLane {
    const found = this.#lanes.get(device)
    if (found !== undefined) return found
    const { models, worker, limits } = this.#options
    const lane = new DeviceLane({
      device,
      models,
      worker: () => worker(device),
      timeoutMs: () => limits().timeoutMs,
      now: () => this.#clock.now(),
      elsewhere: (waiting, other) => this.#lane(other).push(waiting),
      refusal: (waiting, error) => this.#refusal(waiting.request, error),
      retried: () => {
        this.#counts.retried += 1
      },
      health: this.#options.health ?? nobody,
      faults: this.#faults,
    })
    this.#lanes.set(device, lane)
    worker(device)?.on(event => {
      for (const listener of this.#deviceListeners) listener(event, device)
    })
    return lane
  }

  #settle({ request, arrived }: Waiting, outcome: InferOutcome): void {
    const left = (this.#callers.get(request.caller) ?? 1) - 1
    if (left === 0) this.#callers.delete(request.caller)
    else this.#callers.set(request.caller, left)
    if (outcome.kind === 'answer') {
      this.#counts.answered += 1
      const now = this.#clock.now()
      this.#window.add(now - arrived, now)
      for (const listener of this.#listeners) listener(request, outcome)
    } else if (outcome.kind === 'refusal') this.#counts.refused += 1
    else if (outcome.late) this.#counts.expiredLate += 1
    else this.#counts.expired += 1
    if (this.#callers.size === 0) for (const idle of this.#idle.splice(0)) idle()
  }

  #refusal(request: InferRequest, error: unknown): InferOutcome {
    return { kind: 'refusal', error: this.#wireError(request, error) }
  }

  #wireError(request: InferRequest, error: unknown): WireError {
    const wire = toWireError(error, request.id)
    if (wire.code !== 'INTERNAL') return wire
    const trace = randomUUID()
    log.error({ trace, model: request.model, code: errorCode(error), err: error }, 'inference failed')
    return { ...wire, details: { ...wire.details, trace } }
  }

  #waiting(): { readonly queued: number; readonly queuedBytes: number } {
    return { queued: this.#sum(lane => lane.queued), queuedBytes: this.#sum(lane => lane.queuedBytes) }
  }

  #sum(of: (lane: DeviceLane) => number): number {
    let sum = 0
    for (const lane of this.#lanes.values()) sum += of(lane)
    return sum
  }

  #armSweep(): void {
    if (this.#sweep !== undefined || this.#sum(lane => lane.queued) === 0) return
    this.#sweep = setTimeout(() => {
      this.#sweep = undefined
      for (const lane of this.#lanes.values()) lane.sweep()
      this.#armSweep()
    }, sweepMs)
    this.#sweep.unref()
  }
}
