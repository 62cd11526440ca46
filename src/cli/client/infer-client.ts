import { randomUUID } from 'node:crypto'
import type { IPublishPacket } from 'mqtt'
import type { Config } from '../../config/schema.js'
import { QuantdError } from '../../errors.js'
import { formatEnveloped, isOip2, parseOip2 } from '../../samples/oip2.js'
import { contentTypes, type EncodedRequest, type EncodedResponse } from '../../samples/request.js'
import { type MqttSession, nextMessage, publishTo } from './mqtt-session.js'
import { RemoteRefusal } from './remote-refusal.js'

export interface InferClientOptions {
  readonly session: MqttSession
  readonly config: Pick<Config, 'gateway' | 'mqtt' | 'broker'>
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** What came back, with what the gateway says of it: `model-version`, `device`, `infer-us`, ... (nothing of it with MQTT 3.1.1). */
export interface InferAnswer {
  readonly response: EncodedResponse
  readonly properties: Readonly<Record<string, string>>
  readonly ms: number
}

/**
 * Inference requests over the broker as any client makes them (mqtt-contract.md 4b). Answers are told apart by their topic, one per request, so that MQTT
 * 3.1.1 works the same; only a bare image has to use `result/{model}` there, one at a time.
 */
export class InferClient {
  readonly #options: InferClientOptions
  readonly #replies: string
  #sent = 0
  #subscribed: Promise<unknown> | undefined

  constructor(options: InferClientOptions) {
    this.#options = options
    this.#replies = `quantd-reply/${options.session.caller}/${randomUUID().slice(0, 13)}`
  }

  /** @throws RemoteRefusal, ERR_CLI_NO_ANSWER, ERR_CLI_USAGE for what MQTT 3.1.1 cannot carry */
  async infer(model: string, request: EncodedRequest, { version }: { version?: string | undefined } = {}): Promise<InferAnswer> {
    const { session, config, timeoutMs, signal } = this.#options
    const { client, protocolVersion, caller } = session
    const image = request.contentType === contentTypes.jpeg || request.contentType === contentTypes.png
    const bare = protocolVersion === 4 && image
    if (bare && version !== undefined) {
      throw new QuantdError('ERR_CLI_USAGE', 'over MQTT 3.1.1 an image cannot name a version: send it as .npz or .json')
    }
    this.#sent += 1
    const replyTopic = bare ? `${config.mqtt.base}/${config.gateway}/result/${model}` : `${this.#replies}/${this.#sent}`
    this.#subscribed ??= client.subscribeAsync(bare ? replyTopic : `${this.#replies}/+`, { qos: 1 })
    await this.#subscribed
    const start = performance.now()
    const arrival = nextMessage(session, {
      what: `inference on ${model}`,
      timeoutMs,
      signal,
      wanted: packet => (packet.topic === replyTopic ? packet : undefined),
    })
    const topic = `${config.mqtt.base}/${config.gateway}/infer/${model}/${caller}`
    const sent =
      protocolVersion === 5 ? this.#modern(topic, request, { replyTopic, version }) : this.#old(topic, request, { replyTopic, version })
    const [packet] = await Promise.all([arrival, sent])
    return { ...readAnswer(packet), ms: performance.now() - start }
  }

  get #where(): string {
    const { gateway, broker } = this.#options.config
    return `gateway ${gateway} on ${broker.url}`
  }

  #modern(
    topic: string,
    { contentType, jsonLength, body }: EncodedRequest,
    { replyTopic, version }: { replyTopic: string; version: string | undefined },
  ) {
    const { session, timeoutMs } = this.#options
    return publishTo(session, {
      topic,
      where: this.#where,
      payload: Buffer.from(body),
      properties: {
        responseTopic: replyTopic,
        correlationData: Buffer.from(randomUUID()),
        contentType,
        messageExpiryInterval: Math.ceil(timeoutMs / 1000),
        userProperties: {
          v: '1',
          ...(jsonLength === undefined ? {} : { 'json-len': String(jsonLength) }),
          ...(version === undefined ? {} : { version }),
        },
      },
    })
  }

  #old(topic: string, request: EncodedRequest, { replyTopic, version }: { replyTopic: string; version: string | undefined }) {
    const { session, timeoutMs } = this.#options
    const enveloped = request.contentType === contentTypes.oip || request.contentType === contentTypes.json
    const envelope = {
      response_topic: replyTopic,
      correlation: randomUUID(),
      timeout_ms: timeoutMs,
      ...(version === undefined ? {} : { version }),
    }
    const payload = enveloped ? formatEnveloped({ envelope, request }) : request.body
    return publishTo(session, { topic, where: this.#where, payload: Buffer.from(payload) })
  }
}

/** @throws RemoteRefusal when the answer is one */
function readAnswer(packet: IPublishPacket): Pick<InferAnswer, 'response' | 'properties'> {
  const properties = { ...(packet.properties?.userProperties as Record<string, string> | undefined) }
  const body = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload
  const status = Number(properties.status ?? 200)
  const refused =
    status >= 400 ? parse(body) : packet.properties === undefined || properties.status === undefined ? refusalIn(body) : undefined
  if (refused !== undefined) throw new RemoteRefusal(refused)
  if (isOip2(body)) return { response: parseOip2(body).request, properties }
  const jsonLength = properties['json-len']
  return {
    response:
      jsonLength === undefined
        ? { contentType: contentTypes.json, body }
        : { contentType: contentTypes.oip, jsonLength: Number(jsonLength), body },
    properties,
  }
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString())
  } catch {
    return {} // no JSON: RemoteRefusal shows that it is unexpected
  }
}

/** Without properties an error is known by its fields. */
function refusalIn(body: Buffer): unknown {
  if (body[0] !== 0x7b) return undefined
  const json = parse(body)
  return typeof json === 'object' && json !== null && 'error' in json && 'code' in json ? json : undefined
}
