import { z } from 'zod'
import type { Will } from './connection.js'
import type { Outgoing, Sent } from './send-window.js'

export type GatewayState = 'online' | 'degraded' | 'draining' | 'offline'

export interface StatusDocument {
  readonly state: GatewayState
  /** Counts starts and connects: a reader ignores an `offline` whose epoch is lower than that of the last `online`. */
  readonly epoch: number
  readonly since: string
  readonly reasons: readonly string[]
}

const Told = z.object({ state: z.enum(['online', 'degraded', 'draining', 'offline']), epoch: z.int() })

/** After an unexpected end the broker waits so long before it tells: a restart that is quicker is nobody's business. */
const willDelayS = 5
/** Two gateways of one id would answer each other's status for ever: not more often than this. */
const contradictMs = 1000

export interface StatusTopicOptions {
  readonly topic: string
  readonly publish: (message: Outgoing) => Promise<Sent>
  /** The next value of a counter on disk. */
  readonly nextEpoch: () => number
  readonly now: () => number
  readonly wall: () => number
}

/** The retained status with its will (mqtt-contract.md 4a, 4c.9). */
export class StatusTopic {
  readonly #options: StatusTopicOptions
  #state: GatewayState = 'online'
  #reasons: readonly string[] = []
  #since: string
  #epoch = 0
  #isUp = false
  #contradicted = Number.NEGATIVE_INFINITY

  constructor(options: StatusTopicOptions) {
    this.#options = options
    this.#since = new Date(options.wall()).toISOString()
  }

  get document(): StatusDocument {
    return { state: this.#state, epoch: this.#epoch, since: this.#since, reasons: this.#reasons }
  }

  /** The will of the next connection, which begins a new epoch. */
  will(): Will {
    this.#isUp = false
    this.#epoch = Math.max(this.#options.nextEpoch(), this.#epoch + 1)
    return { topic: this.#options.topic, payload: JSON.stringify({ state: 'offline', epoch: this.#epoch }), delayS: willDelayS }
  }

  connected(): void {
    this.#isUp = true
    void this.#publish()
  }

  disconnected(): void {
    this.#isUp = false
  }

  /** @returns what the broker said, when the status changed and a connection is there */
  set(state: GatewayState, reasons: readonly string[]): Promise<Sent> | undefined {
    if (state === this.#state && reasons.join('\n') === this.#reasons.join('\n')) return undefined
    if (state !== this.#state) this.#since = new Date(this.#options.wall()).toISOString()
    this.#state = state
    this.#reasons = reasons
    return this.#isUp ? this.#publish() : undefined
  }

  /** Somebody's word on our status topic: a late will of an earlier connection is contradicted at once. */
  heard(payload: Uint8Array): void {
    const told = Told.safeParse(parse(payload))
    const isWrong = !told.success || (told.data.state === 'offline' && this.#state !== 'offline') || told.data.epoch > this.#epoch
    const now = this.#options.now()
    if (!isWrong || !this.#isUp || now - this.#contradicted < contradictMs) return
    this.#contradicted = now
    void this.#publish()
  }

  #publish(): Promise<Sent> {
    return this.#options.publish({
      topic: this.#options.topic,
      payload: JSON.stringify(this.document),
      qos: 1,
      retain: true,
      properties: { contentType: 'application/json', payloadFormatIndicator: true },
    })
  }
}

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(payload).toString())
  } catch {
    return undefined // no JSON: not what we say, so contradicted
  }
}
