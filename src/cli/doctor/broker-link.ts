import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import type { IClientPublishOptions, IConnackPacket, IPublishPacket, MqttClient } from 'mqtt'
import type { Config } from '../../config/schema.js'
import { withTimeout } from '../../time.js'
import { type MqttAccount, type MqttSession, nextMessage, openMqttSession } from '../client/mqtt-session.js'

/**
 * The connections that the checks of the broker share, as the account of the gateway. Everything goes over topics below `quantd-reply/{user}/`:
 * the one place that the ACL of mqtt-contract.md 4f lets a gateway both write and read.
 */
export class BrokerLink {
  readonly topic: string
  #session: MqttSession
  readonly #target: { readonly broker: Config['broker']; readonly account: MqttAccount }
  readonly #others: MqttClient[] = []

  private constructor(session: MqttSession, target: { broker: Config['broker']; account: MqttAccount }) {
    this.#session = session
    this.#target = target
    this.topic = `quantd-reply/${session.caller}/doctor-${randomUUID().slice(0, 8)}`
  }

  /** @throws ERR_CLI_BROKER */
  static async open(broker: Config['broker'], account: MqttAccount): Promise<BrokerLink> {
    const target = { broker, account }
    return new BrokerLink(await openMqttSession(target), target)
  }

  get session(): MqttSession {
    return this.#session
  }

  get connack(): IConnackPacket {
    return this.#session.connack
  }

  get version(): 4 | 5 {
    return this.#session.protocolVersion
  }

  /** Connects again when a check made the broker close the connection, so that the next one starts afresh. */
  async revive(): Promise<void> {
    if (!this.#session.client.connected) this.#session = await openMqttSession({ ...this.#target, versions: [this.version] })
  }

  /** MQTT.js waits without end for an acknowledgement on a closed connection. @throws ERR_TIMEOUT */
  async publish(topic: string, payload: string, options: IClientPublishOptions): Promise<void> {
    await withTimeout(this.#session.client.publishAsync(topic, payload, options), 3000, `publish on ${topic}`)
  }

  /** Another connection of the same account and protocol version, with a client id of its own. */
  async another(will?: { topic: string; payload: Buffer }): Promise<MqttSession> {
    const session = await openMqttSession({ ...this.#target, versions: [this.version], ...(will === undefined ? {} : { will }) })
    this.#others.push(session.client)
    return session
  }

  /** Publishes on `publisher` and waits for the message on `subscriber`, which must be subscribed. @returns the packet and milliseconds */
  async roundTrip(
    publisher: MqttSession,
    subscriber: MqttSession,
    { topic, qos = 1, ...options }: { topic: string; qos?: 0 | 1; retain?: boolean; properties?: Record<string, unknown> },
  ): Promise<{ readonly packet: IPublishPacket; readonly ms: number }> {
    const marker = randomUUID()
    const arrival = nextMessage(subscriber, {
      what: `round trip over ${topic}`,
      timeoutMs: 3000,
      wanted: packet => (packet.topic === topic && packet.payload.toString() === marker ? packet : undefined),
    })
    const start = performance.now()
    const [packet] = await Promise.all([arrival, publisher.client.publishAsync(topic, marker, { qos, ...options })])
    return { packet, ms: performance.now() - start }
  }

  /** Milliseconds of a bare TCP connection: what the network itself costs. */
  async networkMs(): Promise<number> {
    const { hostname, port, protocol } = new URL(this.#target.broker.url)
    const start = performance.now()
    const socket = connectTcp(Number(port || (protocol === 'mqtts:' ? 8883 : 1883)), hostname.replace(/^\[|\]$/g, ''))
    await once(socket, 'connect')
    const ms = performance.now() - start
    socket.destroy()
    return ms
  }

  async close(): Promise<void> {
    await Promise.all([this.#session.client, ...this.#others].map(client => client.endAsync(true)))
  }
}
