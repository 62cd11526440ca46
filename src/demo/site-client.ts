import { Socket } from 'node:net'
import { connectAsync, type MqttClient } from 'mqtt'
import { QuantdError } from '../errors.js'
import { decodeResponse } from '../samples/decode-response.js'
import { encodeRequest } from '../samples/encode-request.js'
import { formatEnveloped } from '../samples/oip2.js'
import { contentTypes } from '../samples/request.js'
import type { SitePicture } from './site.js'

export interface SiteAnswer {
  readonly correct: boolean
  readonly ms: number
}

const answerLimitMs = 30_000

/** A camera of the site as an application would write it for MQTT 3.1.1: pictures out as binary requests with an envelope, the truth as feedback. */
export class SiteClient {
  readonly #client: MqttClient
  readonly #gateway: string
  readonly #waiting = new Map<string, (payload: Buffer) => void>()

  private constructor(client: MqttClient, gateway: string) {
    this.#client = client
    this.#gateway = gateway
    client.on('message', (topic, payload) => this.#waiting.get(topic)?.(payload))
  }

  static async connect(url: string, gateway: string): Promise<SiteClient> {
    const client = await connectAsync(url, { protocolVersion: 4, clientId: 'site-camera', reconnectPeriod: 200 })
    // Without it the acknowledgement of an answer holds back the feedback behind it until the broker's delayed ACK, 40 ms later.
    if (client.stream instanceof Socket) client.stream.setNoDelay(true)
    await client.subscribeAsync('quantd-reply/camera/#', { qos: 1 })
    return new SiteClient(client, gateway)
  }

  /** Sends one picture to `model` and tells the gateway afterwards what it was. @throws ERR_TIMEOUT, ERR_DEMO_REFUSED */
  async ask(model: string, id: string, picture: SitePicture): Promise<SiteAnswer> {
    const reply = `quantd-reply/camera/${id}`
    const request = encodeRequest({ input: { dtype: 'uint8', shape: [1, 1, 28, 28], data: picture.pixels } }, { form: 'oip' })
    const body = formatEnveloped({ envelope: { response_topic: reply, correlation: id, id, timeout_ms: answerLimitMs }, request })
    const started = performance.now()
    const answer = await this.#request(reply, `quantd/${this.#gateway}/infer/${model}/camera`, body)
    const ms = performance.now() - started
    await this.#client.publishAsync(`quantd/${this.#gateway}/feedback/${model}/camera`, JSON.stringify({ id, label: picture.label }), {
      qos: 1,
    })
    return { correct: best(answer) === picture.label, ms }
  }

  #request(reply: string, topic: string, body: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(reply)
        act()
      }
      const timer = setTimeout(
        () => settle(() => reject(new QuantdError('ERR_TIMEOUT', `no answer on ${reply} within ${answerLimitMs} ms`))),
        answerLimitMs,
      )
      this.#waiting.set(reply, payload => settle(() => resolve(payload)))
      this.#client.publish(topic, Buffer.from(body.buffer, body.byteOffset, body.byteLength), { qos: 1 }, error => {
        if (error) settle(() => reject(error))
      })
    })
  }

  async close(): Promise<void> {
    await this.#client.endAsync()
  }
}

/** Class with the largest logit; an answer of MQTT 3.1.1 is binary with the prefix of a request, a refusal is JSON. */
function best(answer: Buffer): number {
  if (answer.subarray(0, 4).toString('latin1') !== 'OIP2') {
    throw new QuantdError('ERR_DEMO_REFUSED', `the gateway refused a picture: ${answer.toString().slice(0, 200)}`)
  }
  const { outputs } = decodeResponse({ contentType: contentTypes.oip, jsonLength: answer.readUInt32LE(4), body: answer.subarray(8) })
  const logits = Array.from(Object.values(outputs)[0]?.data ?? [], Number)
  return logits.indexOf(Math.max(...logits))
}
