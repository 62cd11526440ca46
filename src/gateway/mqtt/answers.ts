import { crashPoint } from '../store/crash-point.js'
import type { Journal, Reply } from '../store/journal.js'
import { Refusal, toWireError } from '../wire-errors.js'
import type { Origin } from './origin.js'
import { errorReply, type PublishReply, publishOf, type ReplyTarget } from './reply.js'
import { refuseReplyTopic } from './reply-topic.js'
import type { Outgoing, Sent } from './send-window.js'

export interface AnswersOptions {
  readonly journal: Journal
  readonly publish: (message: Outgoing) => Promise<Sent>
  /** Largest packet that the broker takes now. */
  readonly maximumPacketSize: () => number | undefined
  /** Such as `quantd-reply/{caller}/`. */
  readonly replyPrefixes: readonly string[]
  /** A response topic that is not the caller's. */
  readonly onRejected: (rejected: { readonly caller: string; readonly topic: string; readonly why: string }) => void
}

/** Bytes of a PUBLISH besides its body: topic, properties of ours, headers. */
const packetOverhead = 1024

/** Replies of one connection: where they may go, whether they fit, out of the journal and off it. */
export class Answers {
  readonly #options: AnswersOptions
  readonly counts = { sent: 0, withoutReplyTopic: 0, rejectedReplyTopics: 0, tooLarge: 0, duplicates: 0, refusedByBroker: 0 }

  constructor(options: AnswersOptions) {
    this.#options = options
  }

  /** Where the answer goes; 'none': nobody asked for one; 'forbidden': nobody gets one, and it was told. */
  target(
    origin: Origin,
    { caller, otherwise }: { readonly caller: string; readonly otherwise?: string },
  ): ReplyTarget | 'none' | 'forbidden' {
    const { replyTopic, form, correlation, expiresInMs } = origin
    const given = { form, correlation, expiresInMs }
    if (replyTopic === undefined) {
      if (otherwise !== undefined && form !== '5') return { ...given, replyTopic: otherwise }
      this.counts.withoutReplyTopic += 1
      return 'none'
    }
    const why = refuseReplyTopic(replyTopic, { caller, prefixes: this.#options.replyPrefixes })
    if (why === undefined) return { ...given, replyTopic }
    this.counts.rejectedReplyTopics += 1
    this.#options.onRejected({ caller, topic: replyTopic.slice(0, 256), why })
    return 'forbidden'
  }

  async send(reply: Reply, options: PublishReply): Promise<Sent> {
    const sent = await this.#options.publish(publishOf(this.#fitted(reply), options))
    if (sent.kind === 'sent') this.counts.sent += 1
    if (sent.kind === 'refused') this.counts.refusedByBroker += 1
    return sent
  }

  /** Result to the outbox and inbox done in one transaction, then out, then off the outbox (mqtt-contract.md 4c.2 d, e). */
  async deliver(
    entry: number,
    reply: Reply,
    { remember, more }: { readonly remember: 'yes' | 'no'; readonly more: () => Readonly<Record<string, string>> },
  ): Promise<void> {
    const fitted = this.#fitted(reply)
    const commit = await this.#options.journal.answer(entry, fitted, { remember })
    crashPoint('mqtt.answer-committed')
    await this.resend(entry, fitted, { ...more(), ...(commit.durable ? {} : { durable: '0' }) })
  }

  /** A reply that the journal holds: out again, and off the outbox once the broker has it. */
  async resend(entry: number, reply: Reply, more: Readonly<Record<string, string>>): Promise<void> {
    const sent = await this.send(reply, { qos: 1, more })
    crashPoint('mqtt.answer-published')
    if (sent.kind !== 'dropped') this.#options.journal.delivered(entry)
  }

  #fitted(reply: Reply): Reply {
    const limit = this.#options.maximumPacketSize()
    const bytes = reply.body.byteLength + packetOverhead
    if (limit === undefined || bytes <= limit) return reply
    this.counts.tooLarge += 1
    const error = new Refusal(
      'PAYLOAD_TOO_LARGE',
      'ERR_MQTT_PACKET_SIZE',
      `the answer has ${reply.body.byteLength} bytes, the broker takes ${limit}`,
      {
        details: { bytes: reply.body.byteLength, limit },
      },
    )
    return errorReply({ ...reply, expiresInMs: reply.expiresInMs }, toWireError(error))
  }
}
