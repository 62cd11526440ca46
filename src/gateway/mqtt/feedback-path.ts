import type { IPublishPacket } from 'mqtt'
import { z } from 'zod'
import { errorMessage, QuantdError } from '../../errors.js'
import { logger } from '../../log.js'
import { checkedLabel } from '../../samples/checked-label.js'
import type { Capture } from '../calibration/capture.js'
import type { Models } from '../models/model.js'
import { toWireError } from '../wire-errors.js'
import type { Acknowledge } from './acknowledgements.js'
import type { Answers } from './answers.js'
import { payloadOf, readOrigin } from './origin.js'
import { errorReply, jsonReply } from './reply.js'
import type { RequestTopic } from './topics.js'

const log = logger('gateway/mqtt')

const maxBodyBytes = 256 * 1024

/** The truth about an answered request: `id` is its user property `id`, or its correlation. Fields that are not known are ignored (mqtt-contract.md 4i). */
export const Feedback = z.object({
  id: z.string().min(1).max(256),
  label: z.union([z.number(), z.array(z.number()).max(65_536), z.string().max(65_536)]),
})

/** Feedback over MQTT: joined to the captured sample, acknowledged when that is on disk; answered when a reply topic asks for it. */
export class FeedbackPath {
  readonly #capture: Capture
  readonly #models: Pick<Models, 'get'>
  readonly #answers: Answers
  readonly counts = { received: 0, malformed: 0, joined: 0, gone: 0 }

  constructor({
    capture,
    models,
    answers,
  }: {
    readonly capture: Capture
    readonly models: Pick<Models, 'get'>
    readonly answers: Answers
  }) {
    this.#capture = capture
    this.#models = models
    this.#answers = answers
  }

  handle(packet: IPublishPacket, topic: RequestTopic & { kind: 'feedback' }, acknowledge: Acknowledge): void {
    this.counts.received += 1
    void this.#handle(packet, topic)
      .catch(error => log.warn({ error: errorMessage(error), model: topic.model }, 'feedback not kept'))
      .finally(acknowledge)
  }

  async #handle(packet: IPublishPacket, { model, caller }: RequestTopic & { kind: 'feedback' }): Promise<void> {
    const { origin } = readOrigin(packet)
    const asked = origin.replyTopic === undefined ? 'none' : this.#answers.target(origin, { caller })
    if (asked === 'forbidden') return
    try {
      const { id, label } = parse(packet)
      const found = await this.#capture.label(model, id, checkedLabel(this.#models.get(model).manifest, label))
      this.counts[found ? 'joined' : 'gone'] += 1
      if (asked !== 'none') await this.#answers.send(jsonReply(asked, { found }, 200), { qos: origin.qos })
    } catch (error) {
      this.counts.malformed += 1
      if (asked === 'none') throw error
      await this.#answers.send(errorReply(asked, toWireError(error, origin.id)), { qos: origin.qos })
    }
  }
}

/** @throws ERR_REQUEST_JSON */
function parse(packet: IPublishPacket): z.infer<typeof Feedback> {
  const body = payloadOf(packet)
  if (body.length > maxBodyBytes)
    throw new QuantdError('ERR_REQUEST_JSON', `feedback has at most ${maxBodyBytes} bytes, found ${body.length}`)
  try {
    return Feedback.parse(JSON.parse(body.toString()))
  } catch (error) {
    throw new QuantdError('ERR_REQUEST_JSON', `feedback is {"id":…,"label":…}: ${errorMessage(error).slice(0, 200)}`)
  }
}
