import { connect, type IClientOptions, type IConnackPacket, type IPublishPacket, type ISubscriptionMap, type MqttClient } from 'mqtt'
import type { QuantdError } from '../../errors.js'
import { logger } from '../../log.js'
import { type BackOff, backOffMs } from '../../process/back-off.js'
import { monotonicMs } from '../../time.js'
import { type Acknowledge, Acknowledgements } from './acknowledgements.js'
import type { Broker, ProtocolVersion } from './broker.js'
import { connectFailure, connectionLost } from './connect-failure.js'
import { type Outgoing, SendWindow, type Sent } from './send-window.js'

const log = logger('gateway/mqtt')

/** Reconnecting never ends (mqtt-contract.md 4c.6). */
const reconnect: BackOff = { firstMs: 100, factor: 2, ceilingMs: 10_000, jitter: 0.5 }
/** A connection that lasted so long counts as a success; one that is lost sooner is retried later each time. */
const steadyMs = 5_000
/** MQTT 5 reason code of a broker that ends our connection because another one came with our client id. */
const sessionTakenOver = 142
const connectLimitMs = 10_000
/** What the broker keeps of us while we are away, seconds. */
const sessionExpiryS = 3600
/** A broker that closes so often without a CONNACK may not know the version that we speak. */
const silentClosesBeforeFallback = 3
/** CONNACK codes that say so: MQTT 3.1.1 return code 1, MQTT 5 reason code 132. */
const unsupportedVersion = new Set([1, 132])

export interface Will {
  readonly topic: string
  readonly payload: string
  readonly delayS: number
}

export interface Subscription {
  readonly topic: string
  /** Whether messages that were retained before the subscription are wanted. */
  readonly retained: 'wanted' | 'unwanted'
}

export interface ConnectionUp {
  readonly version: ProtocolVersion
  /** The broker kept our subscriptions and what came for them. */
  readonly sessionPresent: boolean
  /** Largest packet that the broker takes; undefined = it says none. */
  readonly maximumPacketSize: number | undefined
}

export interface ConnectionOptions {
  /** Asked for each attempt: a certificate or password that was renewed holds from the next connection on. */
  readonly broker: () => Broker
  readonly clientId: string
  /** Unacknowledged QoS 1 messages that the broker may have on the way to us. */
  readonly receiveMaximum: number
  /** Packets above this are dropped by the broker, so well above what is answered with PAYLOAD_TOO_LARGE. */
  readonly maximumPacketSize: number
  /** Made anew for each attempt. */
  readonly will?: () => Will
  /** QoS 0 messages owe no acknowledgement: theirs does nothing. */
  readonly onMessage: (packet: IPublishPacket, acknowledge: Acknowledge) => void
  /** After each CONNACK. */
  readonly onUp: (up: ConnectionUp) => void
  readonly onDown?: () => void
}

/** One connection to the broker that is always there or on its way back: one MQTT.js client per attempt, so that will, version and session state are never stale. */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #window = new SendWindow()
  readonly #subscriptions = new Map<string, Subscription>()
  #client: MqttClient | undefined
  #up: ConnectionUp | undefined
  #versionIndex = 0
  #silentCloses = 0
  #tries = 0
  #upSince = 0
  #timer: NodeJS.Timeout | undefined
  #closing = false
  #taking = true
  #said = ''
  #why: QuantdError | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  get up(): ConnectionUp | undefined {
    return this.#up
  }

  /** Why the last attempt failed or the connection was lost, while there is none. */
  get why(): QuantdError | undefined {
    return this.#why
  }

  /** Attempts in a row that did not last. */
  get failures(): number {
    return this.#tries
  }

  /** Messages that wait or are not acknowledged. */
  get unsent(): number {
    return this.#window.size
  }

  /** First attempt; returns at once. */
  start(): void {
    this.#attempt()
  }

  subscribe(subscriptions: readonly Subscription[]): void {
    for (const subscription of subscriptions) this.#subscriptions.set(subscription.topic, subscription)
    if (this.#up !== undefined) this.#sendSubscriptions(subscriptions)
  }

  unsubscribe(topics: readonly string[]): void {
    for (const topic of topics) this.#subscriptions.delete(topic)
    if (this.#up !== undefined && topics.length > 0) this.#client?.unsubscribe([...topics], error => this.#report(error, 'unsubscribe'))
  }

  /** QoS 1: resolves with what the broker said, after reconnects if need be. QoS 0: without a connection it is dropped. */
  publish(message: Outgoing): Promise<Sent> {
    return this.#window.send(message)
  }

  /** What comes from now on is left to the broker, unacknowledged: it sends it again on the next connection. */
  stopTaking(): void {
    this.#taking = false
  }

  /** Waits at most `limitMs` for acknowledgements on the way, then says DISCONNECT, so that no will is sent. */
  async close(limitMs: number): Promise<void> {
    this.stopTaking()
    if (this.#up !== undefined) await this.#window.drained(limitMs)
    this.#closing = true
    clearTimeout(this.#timer)
    this.#window.close()
    const client = this.#client
    this.#client = undefined
    if (client === undefined) return
    await new Promise<void>(resolve => {
      // A broker that is silent would keep MQTT.js waiting for what is on the way.
      const limit = setTimeout(() => client.end(true, {}, () => resolve()), limitMs)
      client.end(!client.connected, {}, () => {
        clearTimeout(limit)
        resolve()
      })
    })
  }

  #attempt(): void {
    let broker: Broker | undefined
    try {
      broker = this.#options.broker()
      this.#open(broker)
    } catch (error) {
      // A file of the broker section that is gone or is no certificate: it may be put right while we try again.
      this.#retry(connectFailure(error, broker ?? { url: 'the broker' }), 'broker not reached')
    }
  }

  #open(broker: Broker): void {
    const { clientId, receiveMaximum, maximumPacketSize, will, onMessage } = this.#options
    const version = broker.versions[this.#versionIndex] as ProtocolVersion
    const client = connect(broker.url, {
      ...broker.options,
      protocolVersion: version,
      clientId,
      clean: false,
      reconnectPeriod: 0,
      connectTimeout: connectLimitMs,
      resubscribe: false,
      queueQoSZero: false,
      ...(version === 5 ? { properties: { sessionExpiryInterval: sessionExpiryS, receiveMaximum, maximumPacketSize } } : {}),
      ...(will === undefined ? {} : { will: willOf(will(), version) }),
    })
    this.#client = client
    let refusal: unknown
    const acknowledgements = new Acknowledgements(client)
    client.handleMessage = (packet, done) => {
      if (packet.qos === 0) {
        onMessage(packet, nothingOwed)
        done()
      } else {
        const acknowledge = acknowledgements.add(packet.messageId ?? 0)
        if (this.#taking) onMessage(packet, acknowledge)
        // An error makes MQTT.js read on without its own PUBACK.
        done(acknowledgedLater)
      }
    }
    client.on('connect', connack => this.#connected(client, connack, version))
    client.on('error', error => {
      refusal ??= error
      // A broker that refuses may leave it to us to hang up.
      if (!client.connected) client.stream.destroy()
    })
    client.on('disconnect', ({ reasonCode }) => {
      if (reasonCode === sessionTakenOver) log.error({ clientId }, 'another client uses our client id: two daemons with one gateway id')
      else log.warn({ clientId, reasonCode }, 'broker ends the connection')
    })
    client.once('close', () => this.#closed(client, { broker, refusal }))
  }

  #connected(client: MqttClient, connack: IConnackPacket, version: ProtocolVersion): void {
    // Small packets go at once: PUBACKs must not wait for Nagle. Sockets alone have it; web sockets do it themselves.
    const { stream } = client as { stream: { setNoDelay?: (on: boolean) => unknown } }
    stream.setNoDelay?.(true)
    this.#silentCloses = 0
    this.#upSince = monotonicMs()
    this.#why = undefined
    this.#up = {
      version,
      sessionPresent: connack.sessionPresent,
      maximumPacketSize: connack.properties?.maximumPacketSize,
    }
    log.info({ clientId: this.#options.clientId, version, sessionPresent: connack.sessionPresent }, 'connected to the broker')
    this.#sendSubscriptions([...this.#subscriptions.values()])
    this.#window.open(client, connack)
    this.#options.onUp(this.#up)
  }

  #closed(client: MqttClient, { broker, refusal }: { readonly broker: Broker; readonly refusal: unknown }): void {
    client.removeAllListeners()
    client.on('error', () => undefined) // this client is done with: what it still says is of no interest, and must not throw
    client.end(true)
    this.#window.pause()
    const wasUp = this.#up !== undefined
    this.#up = undefined
    if (this.#closing) return
    if (wasUp) {
      this.#options.onDown?.()
      if (monotonicMs() - this.#upSince >= steadyMs) {
        this.#tries = 0
        this.#said = ''
      }
    } else this.#considerVersion(broker, refusal)
    if (wasUp) this.#retry(connectionLost(refusal, broker), 'connection to the broker lost')
    else this.#retry(connectFailure(refusal, broker), 'broker not reached')
  }

  #retry(why: QuantdError, what: string): void {
    this.#why = why
    const waitMs = backOffMs(reconnect, this.#tries)
    this.#tries += 1
    if (why.message !== this.#said) log.warn({ clientId: this.#options.clientId, code: why.code, reason: why.message }, what)
    this.#said = why.message
    this.#timer = setTimeout(() => this.#attempt(), waitMs)
  }

  #considerVersion({ versions }: Broker, refusal: unknown): void {
    const code = refusal instanceof Error && 'code' in refusal ? refusal.code : undefined
    if (refusal === undefined) this.#silentCloses += 1
    const isRefused = typeof code === 'number' && unsupportedVersion.has(code)
    if (!isRefused && this.#silentCloses < silentClosesBeforeFallback) return
    this.#silentCloses = 0
    this.#versionIndex = (this.#versionIndex + 1) % versions.length
    if (versions.length > 1) this.#tries = 0
  }

  #sendSubscriptions(subscriptions: readonly Subscription[]): void {
    if (subscriptions.length === 0) return
    const map: ISubscriptionMap = {}
    // rap: a message published as retained shows it. rh 2: what was retained before is not sent.
    for (const { topic, retained } of subscriptions) map[topic] = { qos: 1, rap: true, rh: retained === 'wanted' ? 0 : 2 }
    this.#client?.subscribe(map, (error, granted) => {
      this.#report(error, 'subscribe')
      const refused = granted?.filter(({ qos }) => qos >= 128).map(({ topic }) => topic) ?? []
      if (refused.length > 0) log.error({ refused }, 'the broker refuses subscriptions')
    })
  }

  #report(error: Error | null | undefined, what: string): void {
    if (error && this.#up !== undefined) log.warn({ error: error.message }, `${what} failed`)
  }
}

const nothingOwed: Acknowledge = () => undefined
const acknowledgedLater = new Error('acknowledged later')

function willOf({ topic, payload, delayS }: Will, version: ProtocolVersion): NonNullable<IClientOptions['will']> {
  return {
    topic,
    payload: Buffer.from(payload),
    qos: 1,
    retain: true,
    ...(version === 5 ? { properties: { willDelayInterval: delayS } } : {}),
  }
}
