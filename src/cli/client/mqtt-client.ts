import { randomUUID } from 'node:crypto'
import type { IPublishPacket } from 'mqtt'
import type { Config } from '../../config/schema.js'
import { findCommand } from '../../gateway/commands/catalog.js'
import { isTerminal, type Job } from '../../gateway/jobs/job.js'
import { type GatewayClient, type Json, listOf } from './gateway-client.js'
import { type MqttSession, nextMessage, publishTo } from './mqtt-session.js'
import { RemoteRefusal } from './remote-refusal.js'

export interface MqttClientOptions {
  readonly session: MqttSession
  readonly config: Pick<Config, 'gateway' | 'mqtt' | 'broker'>
  readonly signal: AbortSignal
  /** Control sockets that were tried first, for messages. */
  readonly sockets?: readonly string[]
}

const parse = (packet: IPublishPacket): Json | undefined => {
  try {
    return JSON.parse(packet.payload.toString()) as Json
  } catch {
    return undefined // not ours: skipped by whoever waits
  }
}

/** A gateway through its broker, like any operator: commands with a reply topic, jobs from what is retained. */
export class MqttGatewayClient implements GatewayClient {
  readonly where: string
  readonly #session: MqttSession
  readonly #base: string
  readonly #reply: string
  readonly #signal: AbortSignal
  #subscribed: Promise<unknown> | undefined

  constructor({ session, config, signal, sockets = [] }: MqttClientOptions) {
    this.#session = session
    this.#base = `${config.mqtt.base}/${config.gateway}`
    this.#reply = `quantd-reply/${session.caller}/${randomUUID().slice(0, 13)}`
    this.#signal = signal
    const instead = sockets.length === 0 ? '' : ` (and no daemon of this host on ${sockets.join(' or ')})`
    this.where = `gateway ${config.gateway} on ${config.broker.url}${instead}`
  }

  async command(verb: string, body: Json): Promise<Json> {
    const { client, protocolVersion, caller } = this.#session
    this.#subscribed ??= client.subscribeAsync(this.#reply, { qos: 1 })
    await this.#subscribed
    const correlation = randomUUID()
    // Its own limit, and time for both ways.
    const timeoutMs = (findCommand(verb)?.timeoutMs ?? 30_000) + 5000
    const answer = nextMessage(this.#session, {
      what: `${verb} on ${this.where}`,
      timeoutMs,
      signal: this.#signal,
      wanted: packet => {
        if (packet.topic !== this.#reply) return undefined
        const parsed = parse(packet)
        const mine =
          protocolVersion === 5
            ? packet.properties?.correlationData?.toString() === correlation
            : (parsed?.correlation ?? parsed?.id) === correlation
        return mine
          ? { parsed, status: Number((packet.properties?.userProperties as Json | undefined)?.status ?? parsed?.status ?? 200) }
          : undefined
      },
    })
    const topic = `${this.#base}/cmd/${verb}/${caller}`
    // MQTT 3.1.1 has no properties: reply topic and correlation travel in the body (mqtt-contract.md 4b).
    const old = { ...body, response_topic: this.#reply, correlation, timeout_ms: timeoutMs }
    const published = publishTo(this.#session, {
      topic,
      where: this.where,
      payload: JSON.stringify(protocolVersion === 5 ? body : old),
      ...(protocolVersion === 5
        ? {
            properties: {
              responseTopic: this.#reply,
              correlationData: Buffer.from(correlation),
              contentType: 'application/json',
              payloadFormatIndicator: true,
              messageExpiryInterval: 60,
            },
          }
        : {}),
    })
    const [{ parsed, status }] = await Promise.all([answer, published])
    if (parsed === undefined || status >= 400) throw new RemoteRefusal(parsed)
    return parsed
  }

  async models(): Promise<readonly Json[]> {
    return listOf<Json>(await this.command('models', {}), 'models')
  }

  async devices(): Promise<readonly Json[]> {
    return listOf<Json>(await this.command('devices', {}), 'devices')
  }

  async jobs(): Promise<readonly Job[]> {
    return listOf<Job>(await this.command('jobs', {}), 'jobs')
  }

  async follow(jobId: string, changed: (job: Job) => void): Promise<Job> {
    const topic = `${this.#base}/jobs/${jobId}`
    const ended = nextMessage(this.#session, {
      what: `job ${jobId}`,
      timeoutMs: 24 * 3600 * 1000,
      signal: this.#signal,
      wanted: packet => {
        if (packet.topic !== topic) return undefined
        const job = parse(packet) as Job | undefined
        if (job === undefined) return undefined
        changed(job)
        return isTerminal(job.state) ? job : undefined
      },
    })
    const [job] = await Promise.all([ended, this.#session.client.subscribeAsync(topic, { qos: 1 })])
    return job
  }

  async close(): Promise<void> {
    await this.#session.client.endAsync()
  }
}
