import type { IClientPublishOptions, IConnackPacket, MqttClient } from 'mqtt'

export interface Outgoing {
  readonly topic: string
  readonly payload: Buffer | string
  readonly qos: 0 | 1
  readonly retain?: boolean
  /** MQTT 5 alone; left out on 3.1.1. */
  readonly properties?: IClientPublishOptions['properties']
}

export type Sent =
  | { readonly kind: 'sent' }
  /** The broker took it and said no (MQTT 5 reason code >= 128). */
  | { readonly kind: 'refused'; readonly reasonCode: number }
  /** QoS 0 without a connection, or this side closed first. */
  | { readonly kind: 'dropped' }

/** Unacknowledged messages at most, whatever the broker allows. */
const ownLimit = 256
/** Where the broker says nothing (3.1.1): mosquitto's own default for what it has in flight. */
const silentLimit = 20

interface Waiting {
  readonly message: Outgoing
  readonly resolve: (sent: Sent) => void
}

/**
 * QoS 1 messages to the broker, at most its Receive Maximum without acknowledgement: MQTT.js ignores that limit, and brokers disconnect who does
 * (mqtt-contract.md 4c.5). Across connections: what was not acknowledged is sent again, in order, first.
 */
export class SendWindow {
  readonly #waiting: Waiting[] = []
  readonly #onTheWay = new Set<Waiting>()
  #client: MqttClient | undefined
  #limit = silentLimit
  #closed = false
  #drained: (() => void)[] = []

  get size(): number {
    return this.#waiting.length + this.#onTheWay.size
  }

  send(message: Outgoing): Promise<Sent> {
    if (this.#closed || (message.qos === 0 && this.#client === undefined)) return Promise.resolve({ kind: 'dropped' })
    return new Promise(resolve => {
      const waiting = { message, resolve }
      if (message.qos === 0) this.#publish(waiting)
      else {
        this.#waiting.push(waiting)
        this.#pump()
      }
    })
  }

  open(client: MqttClient, connack: IConnackPacket): void {
    this.#client = client
    this.#limit = Math.min(ownLimit, connack.properties?.receiveMaximum ?? (client.options.protocolVersion === 5 ? ownLimit : silentLimit))
    this.#pump()
  }

  /** The connection is gone: what it had on the way waits again, in front. */
  pause(): void {
    this.#client = undefined
    this.#waiting.unshift(...this.#onTheWay)
    this.#onTheWay.clear()
  }

  /** Resolves when everything is acknowledged, or after `limitMs`. */
  async drained(limitMs: number): Promise<void> {
    if (this.size === 0) return
    let timer: NodeJS.Timeout | undefined
    await Promise.race([
      new Promise<void>(resolve => this.#drained.push(resolve)),
      new Promise<void>(resolve => {
        timer = setTimeout(resolve, limitMs)
      }),
    ])
    clearTimeout(timer)
  }

  close(): void {
    this.#closed = true
    this.pause()
    for (const { resolve } of this.#waiting.splice(0)) resolve({ kind: 'dropped' })
  }

  #pump(): void {
    while (this.#client !== undefined && this.#onTheWay.size < this.#limit) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#onTheWay.add(next)
      this.#publish(next)
    }
  }

  #publish(waiting: Waiting): void {
    const client = this.#client
    if (client === undefined) return
    const { topic, payload, qos, retain = false, properties } = waiting.message
    const options = { qos, retain, ...(client.options.protocolVersion === 5 && properties !== undefined ? { properties } : {}) }
    client.publish(topic, payload, options, error => {
      if (qos === 1 && !this.#onTheWay.has(waiting)) return
      const reasonCode = error instanceof Error && 'code' in error ? error.code : undefined
      const isRefused = typeof reasonCode === 'number' && reasonCode >= 128
      // Without a reason code the connection broke: `pause` puts the message back.
      if (error && !isRefused && qos === 1) return
      this.#onTheWay.delete(waiting)
      waiting.resolve(isRefused ? { kind: 'refused', reasonCode } : error ? { kind: 'dropped' } : { kind: 'sent' })
      this.#pump()
      if (this.size === 0) for (const drained of this.#drained.splice(0)) drained()
    })
  }
}
