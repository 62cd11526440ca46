import type { IPublishPacket } from 'mqtt'
import { errorMessage, QuantdError } from '../../errors.js'
import { logger } from '../../log.js'
import { callCommand } from '../commands/call-command.js'
import type { Command, Services } from '../commands/command.js'
import type { InboxRecord, Journal, Reply } from '../store/journal.js'
import { Refusal, toWireError } from '../wire-errors.js'
import type { Acknowledge } from './acknowledgements.js'
import type { Answers } from './answers.js'
import { correlationLimit, correlationText, type Origin, payloadOf, readOrigin } from './origin.js'
import { errorReply, jsonReply, type ReplyTarget } from './reply.js'
import type { RequestTopic } from './topics.js'

const log = logger('gateway/mqtt')

export interface CommandPathOptions {
  readonly commands: readonly Command[]
  readonly services: Services
  readonly journal: Journal
  readonly answers: Answers
  readonly requireExpiry: () => boolean
  /** After each command that ran: the state may be another. */
  readonly onRun: () => void
}

/** Largest body of a command. */
const maxBodyBytes = 256 * 1024
/** Longest Message Expiry that strict gateways take (mqtt-contract.md 4a). */
const longestExpiryS = 300
/** Fields of the envelope that are no part of a command; `version` and `id` may be. */
const envelopeOnly = new Set(['response_topic', 'correlation', 'timeout_ms'])
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
/** In the journal the model of a command is this and its verb: no model name has a slash. */
const journalPrefix = 'cmd/'

export const isCommandRecord = ({ model }: Pick<InboxRecord, 'model'>): boolean => model.startsWith(journalPrefix)

/**
 * Commands over MQTT (mqtt-contract.md 4e). With correlation data and a reply topic they pass the journal before they are acknowledged: a repeated delivery gets
 * the answer of the first, also after a restart. They never run twice by themselves: one that a restart cut off is answered so, unless its job goes by its id.
 */
export class CommandPath {
  readonly #options: CommandPathOptions
  readonly counts = { received: 0, retained: 0, failed: 0 }
  readonly #running = new Set<Promise<void>>()

  constructor(options: CommandPathOptions) {
    this.#options = options
  }

  handle(packet: IPublishPacket, topic: RequestTopic & { kind: 'command' }, acknowledge: Acknowledge): void {
    this.counts.received += 1
    const running = this.#handle(packet, topic, acknowledge)
      .catch(error => log.error({ err: error, verb: topic.verb }, 'a command got no answer'))
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Answers a command that an earlier run of the daemon accepted and did not answer. */
  async resume(entry: number, record: InboxRecord): Promise<void> {
    const job = record.id === undefined ? undefined : this.#options.services.jobs.get(record.id)
    const target = { ...record, expiresInMs: record.expiresInMs }
    const verb = record.model.slice(journalPrefix.length)
    const error = new Refusal(
      'NOT_READY',
      'ERR_MQTT_RESTARTED',
      `the gateway restarted while '${verb}' ran: look at its effect before you send it again`,
    )
    const reply =
      job === undefined
        ? errorReply(target, toWireError(error, record.id))
        : jsonReply(target, { job_id: job.job_id, state: job.state }, 202)
    await this.#options.answers.deliver(entry, reply, { remember: job === undefined ? 'no' : 'yes', more: () => ({}) })
  }

  /** Resolves when no command runs. */
  async idle(): Promise<void> {
    await Promise.all(this.#running)
  }

  async #handle(packet: IPublishPacket, { verb, caller }: RequestTopic & { kind: 'command' }, acknowledge: Acknowledge): Promise<void> {
    const { answers, journal } = this.#options
    const { origin, problem } = readOrigin(packet)
    const target = answers.target(origin, { caller })
    if (target === 'forbidden') return acknowledge()
    const refusal = this.#refusal(packet, { origin, problem, verb })
    if (refusal !== undefined) {
      if (target !== 'none') await answers.send(errorReply(target, toWireError(refusal, origin.id)), { qos: origin.qos })
      return acknowledge()
    }
    const text = correlationText(origin.correlation)
    const call: Run = {
      verb,
      caller,
      body: payloadOf(packet),
      form: origin.form,
      id: text !== undefined && uuid.test(text) ? text : undefined,
    }
    if (target === 'none') {
      await this.#run(call)
      return acknowledge()
    }
    if (origin.qos === 0 || origin.correlation.length === 0) {
      await answers.send((await this.#run(call, target)).reply, { qos: origin.qos })
      return acknowledge()
    }
    const accepted = journal.accept(recordOf(call, target))
    if (accepted.kind === 'new') {
      const commit = await accepted.committed
      if (commit.durable) acknowledge()
      const { reply, remember } = await this.#run(call, target)
      await answers.deliver(accepted.entry, reply, { remember, more: () => ({}) })
      return acknowledge()
    }
    answers.counts.duplicates += 1
    if (accepted.kind === 'running') {
      await accepted.committed
      return acknowledge()
    }
    const reply = await accepted.reply
    if (reply !== undefined) await answers.resend(accepted.entry, reply, { dup: '1' })
    acknowledge()
  }

  #refusal(packet: IPublishPacket, { origin, problem, verb }: { origin: Origin; problem: unknown; verb: string }): unknown {
    if (packet.retain) {
      this.counts.retained += 1
      log.warn({ topic: packet.topic }, 'retained command refused')
      return new Refusal(
        'INVALID_ARGUMENT',
        'ERR_MQTT_RETAINED',
        `'${verb}' came as a retained message: clear ${packet.topic} and send it without the flag`,
      )
    }
    const { messageExpiryS = Number.POSITIVE_INFINITY } = origin
    if (this.#options.requireExpiry() && messageExpiryS > longestExpiryS)
      return new Refusal('INVALID_ARGUMENT', 'ERR_MQTT_EXPIRY', `'${verb}' needs a message expiry of at most ${longestExpiryS} s here`)
    if (origin.correlation.length > correlationLimit)
      return new Refusal('INVALID_ARGUMENT', 'ERR_MQTT_CORRELATION', `the correlation data is longer than ${correlationLimit} bytes`)
    if (packet.payload.length > maxBodyBytes)
      return new Refusal('PAYLOAD_TOO_LARGE', 'ERR_MQTT_PACKET_SIZE', `a command has at most ${maxBodyBytes} bytes`, {
        details: { limit: maxBodyBytes },
      })
    return packet.payload.length === 0 ? undefined : problem
  }

  async #run(run: Run, target: ReplyTarget = nowhere): Promise<{ readonly reply: Reply; readonly remember: 'yes' | 'no' }> {
    const { commands, services } = this.#options
    const { verb, caller, id } = run
    const ended = new AbortController()
    try {
      const call = { caller, trigger: 'mqtt', ...(id === undefined ? {} : { id }), signal: ended.signal } as const
      const answer = await callCommand({ commands, services, verb, body: bodyOf(run), call })
      return { reply: jsonReply(target, answer, 'job_id' in answer ? 202 : 200), remember: 'yes' }
    } catch (error) {
      this.counts.failed += 1
      const wire = toWireError(error, id)
      log.info({ verb, caller, code: wire.code, reason: errorMessage(error) }, 'command refused')
      return { reply: errorReply(target, wire), remember: wire.retryable ? 'no' : 'yes' }
    } finally {
      // After its time limit a command that goes on is told to stop.
      ended.abort()
      this.#options.onRun()
    }
  }
}

interface Run {
  readonly verb: string
  readonly caller: string
  readonly body: Buffer
  readonly form: Origin['form']
  /** The correlation when it is a UUID. */
  readonly id: string | undefined
}

const nowhere: ReplyTarget = { replyTopic: '', correlation: new Uint8Array(0), form: '5', expiresInMs: undefined }

/** @throws ERR_REQUEST_JSON */
function bodyOf({ body, form }: Run): unknown {
  if (body.length === 0) return {}
  try {
    const parsed: unknown = JSON.parse(body.toString())
    if (form === '5' || typeof parsed !== 'object' || parsed === null) return parsed
    return Object.fromEntries(Object.entries(parsed).filter(([name]) => !envelopeOnly.has(name)))
  } catch (error) {
    throw new QuantdError('ERR_REQUEST_JSON', `the body is no JSON: ${errorMessage(error)}`)
  }
}

function recordOf({ verb, caller, body, id }: Run, { replyTopic, correlation, form, expiresInMs }: ReplyTarget): InboxRecord {
  return {
    replyTopic,
    correlation,
    form,
    model: `${journalPrefix}${verb}`,
    caller,
    ...(id === undefined ? {} : { id }),
    priority: 1,
    contentType: 'application/json',
    body,
    ...(expiresInMs === undefined ? {} : { expiresInMs }),
  }
}
