import type { IPublishPacket } from 'mqtt'
import { logger } from '../../log.js'
import { type Clock, systemClock } from '../../time.js'
import type { Models } from '../models/model.js'
import type { InferOutcome, InferRequest, Serving } from '../serving/serving.js'
import type { InboxRecord, Journal } from '../store/journal.js'
import { Refusal, toWireError, type WireError } from '../wire-errors.js'
import type { Acknowledge } from './acknowledgements.js'
import type { Answers } from './answers.js'
import { readInferMessage } from './infer-message.js'
import { correlationLimit, type Origin, readOrigin } from './origin.js'
import { answerReply, errorReply, type ReplyTarget } from './reply.js'
import type { Sent } from './send-window.js'
import type { RequestTopic, Topics } from './topics.js'

const log = logger('gateway/mqtt')

/**
 * How long the inbox waits for the answer, so that a request that is answered sooner costs one small commit instead of two and is never written: 150 KB that flash
 * memory does not wear out for. The broker keeps the request meanwhile, since nothing is acknowledged; no answer comes later for it.
 */
const holdMs = 5

export interface InferPathOptions {
  readonly serving: Serving
  readonly models: Models
  readonly journal: Journal
  readonly answers: Answers
  readonly topics: Topics
  /** Refuse QoS 1 with 507 when the journal cannot be written, instead of serving with `durable=0`. */
  readonly strictDurability: () => boolean
  readonly clock?: Clock
}

/** One request on its way through. */
interface Passage {
  readonly request: InferRequest
  readonly target: ReplyTarget
  readonly qos: 0 | 1
  readonly arrived: number
  readonly acknowledge: Acknowledge
}

/**
 * Inference over MQTT (mqtt-contract.md 4c). QoS 0: memory only. QoS 1 by the model's durability: `none` acknowledges at once, `broker` after the answer,
 * `journal` after the commit of the inbox, or of the answer if that is there first; the inference starts meanwhile, since it has no side effects. What is refused at the door never reaches the journal,
 * and is acknowledged after the refusal is out.
 */
export class InferPath {
  readonly #options: InferPathOptions
  readonly #clock: Clock
  readonly counts = { received: 0, retained: 0, malformed: 0, undurable: 0 }
  #passing = 0
  #stopped = false
  #idle: (() => void)[] = []

  constructor(options: InferPathOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  handle(packet: IPublishPacket, topic: RequestTopic & { kind: 'infer' }, acknowledge: Acknowledge): void {
    const arrived = this.#clock.now()
    this.counts.received += 1
    if (packet.retain) {
      this.counts.retained += 1
      acknowledge()
      return
    }
    const { origin, problem } = readOrigin(packet)
    const { answers, topics } = this.#options
    const target = answers.target(origin, { caller: topic.caller, otherwise: topics.result(topic.model) })
    if (typeof target === 'string') acknowledge()
    else this.#follow(this.#pass({ packet, topic, origin, target, arrived, acknowledge, problem }))
  }

  /** Runs a request that an earlier run of the daemon accepted and did not answer. */
  resume(entry: number, record: InboxRecord): Promise<void> {
    const arrived = this.#clock.now()
    const { replyTopic, correlation, form, expiresInMs, contentType, jsonLength, body, model, version, caller, id, priority } = record
    const request: InferRequest = {
      contentType,
      ...(jsonLength === undefined ? {} : { jsonLength }),
      body,
      model,
      ...(version === undefined ? {} : { version }),
      caller,
      ...(id === undefined ? {} : { id }),
      ...(expiresInMs === undefined ? {} : { deadline: arrived + expiresInMs }),
      priority,
    }
    const target = { replyTopic, correlation, form, expiresInMs }
    const passage: Passage = { request, target, qos: 1, arrived, acknowledge: () => undefined }
    const resumed = this.#options.serving.infer(request).then(outcome => this.#finish(entry, passage, outcome))
    this.#follow(resumed)
    return resumed
  }

  /** From now on a request of the journal that cannot be answered is left there for the next run of the daemon, rather than refused. */
  stop(): void {
    this.#stopped = true
  }

  /** Resolves when every request has left. */
  idle(): Promise<void> {
    if (this.#passing === 0) return Promise.resolve()
    return new Promise(resolve => this.#idle.push(resolve))
  }

  #follow(passage: Promise<void>): void {
    this.#passing += 1
    void passage
      .catch(error => log.error({ err: error }, 'a request got no answer'))
      .finally(() => {
        this.#passing -= 1
        if (this.#passing === 0) for (const idle of this.#idle.splice(0)) idle()
      })
  }

  async #pass(given: Given): Promise<void> {
    const { origin, target, acknowledge, arrived } = given
    let request: InferRequest
    try {
      if (given.problem !== undefined) throw given.problem
      request = requestOf(given)
    } catch (error) {
      this.counts.malformed += 1
      return this.#refuse(given, toWireError(error, origin.id))
    }
    const refusal = this.#options.serving.wouldRefuse(request)
    if (refusal !== undefined) {
      // Counted there as received and refused, so that its sums hold.
      void this.#options.serving.infer(request)
      return this.#refuse(given, refusal)
    }
    const passage: Passage = { request, target, qos: origin.qos, arrived, acknowledge }
    const onResultTopic = origin.replyTopic === undefined
    const durability = origin.qos === 0 || onResultTopic ? 'none' : this.#options.models.get(request.model).manifest.durability
    if (durability === 'journal') return this.#journaled(passage)
    if (durability === 'none') acknowledge()
    const sent = await this.#unjournaled(passage)
    if (durability === 'broker' && sent?.kind !== 'dropped') acknowledge()
  }

  async #refuse({ target, origin, acknowledge }: Given, error: WireError): Promise<void> {
    const sent = await this.#options.answers.send(errorReply(target, error), { qos: origin.qos })
    // Dropped: this side closed first. The broker sends the request again, to the next run of the daemon.
    if (sent.kind !== 'dropped') acknowledge()
  }

  /** @returns what became of the answer; undefined when the request expired */
  async #unjournaled(passage: Passage, more: Readonly<Record<string, string>> = {}): Promise<Sent | undefined> {
    const { answers, serving } = this.#options
    const outcome = await serving.infer(passage.request)
    if (outcome.kind === 'expired') return undefined
    const reply = this.#reply(passage, outcome)
    return answers.send(reply, { qos: passage.qos, more: { ...this.#totals(passage), ...more } })
  }

  async #journaled(passage: Passage): Promise<void> {
    const { journal, serving, answers, strictDurability } = this.#options
    const { request, target, acknowledge } = passage
    const strict = strictDurability()
    const accepted = journal.accept(recordOf(request, target), { holdMs: strict ? 0 : holdMs })
    if (accepted.kind === 'running') {
      answers.counts.duplicates += 1
      await accepted.committed
      acknowledge()
      return
    }
    if (accepted.kind === 'answered') {
      answers.counts.duplicates += 1
      const reply = await accepted.reply
      acknowledge()
      if (reply === undefined) return void (await this.#unjournaled(passage, { durable: '0' }))
      return answers.resend(accepted.entry, reply, { dup: '1' })
    }
    const outcome = serving.infer(request)
    const acknowledged = accepted.committed.then(commit => {
      if (!commit.durable) this.counts.undurable += 1
      if (commit.durable || !strict) acknowledge()
      return commit
    })
    if (strict) {
      const commit = await acknowledged
      if (!commit.durable) return this.#refuseUndurable(accepted.entry, passage, commit.reason)
    }
    await this.#finish(accepted.entry, passage, await outcome)
  }

  async #refuseUndurable(entry: number, { target, request, acknowledge }: Passage, reason: string): Promise<void> {
    const { journal, answers } = this.#options
    await journal.answer(entry, undefined, { remember: 'no' })
    const error = new Refusal('INSUFFICIENT_STORAGE', 'ERR_MQTT_UNDURABLE', `the journal cannot be written: ${reason}`, {
      retryAfterMs: 5000,
    })
    const sent = await answers.send(errorReply(target, toWireError(error, request.id)), { qos: 1 })
    if (sent.kind !== 'dropped') acknowledge()
  }

  async #finish(entry: number, passage: Passage, outcome: InferOutcome): Promise<void> {
    const { journal, answers } = this.#options
    if (outcome.kind === 'expired') {
      await journal.answer(entry, undefined, { remember: 'no' })
      return
    }
    const isPassing = outcome.kind === 'refusal' && outcome.error.retryable
    if (isPassing && this.#stopped) return
    const remember = isPassing ? 'no' : 'yes'
    await answers.deliver(entry, this.#reply(passage, outcome), { remember, more: () => this.#totals(passage) })
  }

  #reply({ request, target }: Passage, outcome: Exclude<InferOutcome, { kind: 'expired' }>) {
    const left = request.deadline === undefined ? undefined : Math.max(0, request.deadline - this.#clock.now())
    const now = { ...target, expiresInMs: left }
    return outcome.kind === 'answer' ? answerReply(now, outcome) : errorReply(now, outcome.error)
  }

  #totals({ arrived }: Passage): Record<string, string> {
    return { 'total-us': String(Math.round((this.#clock.now() - arrived) * 1000)) }
  }
}

interface Given {
  readonly packet: IPublishPacket
  readonly topic: RequestTopic & { kind: 'infer' }
  readonly origin: Origin
  readonly target: ReplyTarget
  readonly arrived: number
  readonly acknowledge: Acknowledge
  readonly problem: unknown
}

/** @throws Refusal, ERR_REQUEST_HEADER */
function requestOf({ packet, topic, origin, arrived }: Given): InferRequest {
  const { correlation, qos, replyTopic, id, version, expiresInMs, priority } = origin
  const needsCorrelation = qos === 1 && replyTopic !== undefined
  if (correlation.length > correlationLimit || (needsCorrelation && correlation.length === 0))
    throw new Refusal(
      'INVALID_ARGUMENT',
      'ERR_MQTT_CORRELATION',
      `the correlation data has ${correlation.length} bytes, a QoS 1 request needs 1 to ${correlationLimit}: send a UUID`,
      { details: { bytes: correlation.length, limit: correlationLimit } },
    )
  return {
    ...readInferMessage(packet, origin),
    model: topic.model,
    ...(version === undefined ? {} : { version }),
    caller: topic.caller,
    ...(id === undefined ? {} : { id }),
    ...(expiresInMs === undefined ? {} : { deadline: arrived + expiresInMs }),
    priority,
  }
}

function recordOf({ deadline: _, ...request }: InferRequest, { replyTopic, correlation, form, expiresInMs }: ReplyTarget): InboxRecord {
  return { ...request, replyTopic, correlation, form, ...(expiresInMs === undefined ? {} : { expiresInMs }) }
}
