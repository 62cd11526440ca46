import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { IPublishPacket } from 'mqtt'
import { changedKeys } from '../../config/diff.js'
import type { Config } from '../../config/schema.js'
import { packageRoot } from '../../paths.js'
import { type Clock, systemClock } from '../../time.js'
import type { Command, Services } from '../commands/command.js'
import type { ModelRecord } from '../models/model.js'
import type { Journal } from '../store/journal.js'
import type { Acknowledge } from './acknowledgements.js'
import { Answers } from './answers.js'
import { brokerOf } from './broker.js'
import { CommandPath } from './command-path.js'
import { Connection, type ConnectionUp } from './connection.js'
import { Events } from './events.js'
import { FeedbackPath } from './feedback-path.js'
import { GatewayMemory, type GatewayStore } from './gateway-memory.js'
import { healthDocument } from './health.js'
import { contractVersions } from './infer-message.js'
import { InferPath } from './infer-path.js'
import { payloadOf } from './origin.js'
import { recoverJournal } from './recover.js'
import { RetainedTopics } from './retained-topics.js'
import { type DeviceList, StateTopics } from './state-topics.js'
import { type GatewayState, StatusTopic } from './status-topic.js'
import { Topics } from './topics.js'

export interface MqttGatewayOptions {
  /** Read when it matters: what a reload may change holds from then on. */
  readonly config: () => Config
  readonly services: Services
  readonly commands: readonly Command[]
  readonly journal: Journal
  readonly store: GatewayStore
  readonly hardware: DeviceList
  /** More figures for the health topic. Plain JSON. */
  readonly health?: () => Readonly<Record<string, unknown>>
  readonly clock?: Clock
}

/** Unacknowledged QoS 1 messages on the way to us (mqtt-contract.md 4c.5). */
const receiveMaximum = 16
/** How long a stop waits for what runs; what is not answered by then stays in the journal, or with the broker. */
const drainMs = 1500
/** How long it waits for each of: answers on their way through the journal, to the broker, and the last words. */
const goodbyeMs = 500
/** How often the state is looked at where nobody tells of a change. */
const lookMs = 1000

/**
 * The gateway on its broker (mqtt-contract.md 4): one connection for requests, one for commands and state, so that a flood of images delays neither `cancel` nor
 * the keep-alive. Retained topics are functions of the services' state. The broker may come later, or go and come back.
 */
export class MqttGateway {
  readonly #options: MqttGatewayOptions
  readonly #startConfig: Config
  readonly #topics: Topics
  readonly #control: Connection
  readonly #data: Connection
  readonly #status: StatusTopic
  readonly #retained: RetainedTopics
  readonly #state: StateTopics
  readonly #events: Events
  readonly #dataAnswers: Answers
  readonly #controlAnswers: Answers
  readonly #infer: InferPath
  readonly #commands: CommandPath
  readonly #feedback: FeedbackPath
  readonly #undo: (() => void)[] = []
  #pooled = new Set<string>()
  #wasDurable = true
  #closing: Promise<void> | undefined
  #recovered = Promise.resolve()

  private constructor(options: MqttGatewayOptions) {
    const { services, commands, journal, store, clock = systemClock } = options
    const config = options.config()
    const memory = new GatewayMemory(store)
    this.#options = options
    this.#startConfig = config
    this.#topics = new Topics({ base: config.mqtt.base, gateway: config.gateway })
    brokerOf(config) // what cannot be read at the start is a mistake of the configuration
    const broker = () => brokerOf(config)
    const maximumPacketSize = Math.min(2 * maxPayloadBytes(config) + 65_536, 268_435_455)
    const common = { broker, receiveMaximum, maximumPacketSize }
    this.#control = new Connection({
      ...common,
      clientId: `quantd-${config.gateway}-control`,
      will: () => this.#status.will(),
      onMessage: (packet, acknowledge) => this.#onControl(packet, acknowledge),
      onUp: up => this.#onUp(up),
      onDown: () => this.#status.disconnected(),
    })
    this.#data = new Connection({
      ...common,
      clientId: `quantd-${config.gateway}-data`,
      onMessage: (packet, acknowledge) => this.#onData(packet, acknowledge),
      onUp: () => this.#retained.set(this.#topics.info, this.#info()),
    })
    const publish = this.#control.publish.bind(this.#control)
    const now = () => clock.now()
    this.#events = new Events({
      publish: message => (this.#control.up === undefined ? dropped : publish(message)),
      topics: this.#topics,
      now,
    })
    this.#status = new StatusTopic({
      topic: this.#topics.status,
      publish,
      nextEpoch: () => memory.nextEpoch(),
      now,
      wall: () => clock.wall(),
    })
    this.#retained = new RetainedTopics({
      publish,
      isUp: () => this.#control.up !== undefined,
      remembered: memory.topics(),
      remember: topics => memory.rememberTopics(topics),
    })
    this.#state = new StateTopics({
      services,
      hardware: options.hardware,
      topics: this.#topics,
      retained: this.#retained,
      events: this.#events,
      onChange: () => this.#look(),
    })
    const answers = (connection: Connection) =>
      new Answers({
        journal,
        publish: message => connection.publish(message),
        maximumPacketSize: () => connection.up?.maximumPacketSize,
        replyPrefixes: config.mqtt.reply_prefixes,
        onRejected: rejected => this.#events.tell('security.rejected', rejected, rejected.caller),
      })
    this.#dataAnswers = answers(this.#data)
    this.#controlAnswers = answers(this.#control)
    this.#infer = new InferPath({
      serving: services.serving,
      models: services.models,
      journal,
      answers: this.#dataAnswers,
      topics: this.#topics,
      strictDurability: () => options.config().mqtt.strict_durability,
      clock,
    })
    this.#commands = new CommandPath({
      commands,
      services,
      journal,
      answers: this.#controlAnswers,
      requireExpiry: () => options.config().mqtt.require_command_expiry,
      onRun: () => this.#look(),
    })
    this.#feedback = new FeedbackPath({ capture: services.capture, models: services.models, answers: this.#controlAnswers })
  }

  /** Takes up what the journal holds, then connects; resolves before the broker is reached. @throws ERR_MQTT_CREDENTIALS, ERR_JOURNAL_THREAD */
  static async start(options: MqttGatewayOptions): Promise<MqttGateway> {
    const gateway = new MqttGateway(options)
    const recovered = await options.journal.recover()
    gateway.#follow()
    gateway.#control.subscribe(gateway.#topics.control.map(topic => ({ topic, retained: 'wanted' })))
    gateway.#data.subscribe(gateway.#topics.data.map(topic => ({ topic, retained: 'unwanted' })))
    gateway.#control.start()
    gateway.#data.start()
    gateway.#recovered = recoverJournal(recovered, { infer: gateway.#infer, commands: gateway.#commands, answers: gateway.#dataAnswers })
    return gateway
  }

  /** For `/health`, the control socket and `doctor`. */
  status() {
    const { state, epoch, since, reasons } = this.#status.document
    const why = this.#control.why ?? this.#data.why
    return {
      state,
      ready: state === 'online' || state === 'degraded',
      reasons: why === undefined ? reasons : [...reasons, why.message],
      epoch,
      since,
      broker: {
        url: this.#startConfig.broker.url,
        control: this.#control.up ?? null,
        data: this.#data.up ?? null,
        ...(why === undefined ? {} : { why: { code: why.code, error: why.message } }),
      },
      mqtt: this.counts(),
    }
  }

  counts() {
    return {
      infer: { ...this.#infer.counts },
      commands: { ...this.#commands.counts },
      feedback: { ...this.#feedback.counts },
      replies: { ...this.#dataAnswers.counts },
      command_replies: { ...this.#controlAnswers.counts },
      unsent: this.#data.unsent + this.#control.unsent,
    }
  }

  /** Refuses what is new, answers what runs, says offline and good-bye. Safe to call twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    void this.#tell('draining', ['stopping'])
    this.#poolFor([])
    await atMost(this.#options.services.serving.drain(), drainMs)
    // A caller that repeats what was refused would never let the rest end.
    this.#data.stopTaking()
    this.#infer.stop()
    await Promise.all([this.#recovered, this.#infer.idle(), this.#commands.idle()].map(pending => atMost(pending, goodbyeMs)))
    for (const undo of this.#undo.splice(0)) undo()
    await this.#data.close(goodbyeMs)
    void this.#tell('offline', ['stopped'])
    await this.#control.close(goodbyeMs)
  }

  #onData(packet: IPublishPacket, acknowledge: Acknowledge): void {
    const topic = this.#topics.parse(packet.topic)
    if (topic?.kind === 'infer') this.#infer.handle(packet, topic, acknowledge)
    else acknowledge()
  }

  #onControl(packet: IPublishPacket, acknowledge: Acknowledge): void {
    const topic = this.#topics.parse(packet.topic)
    if (topic?.kind === 'command') this.#commands.handle(packet, topic, acknowledge)
    else if (topic?.kind === 'feedback') this.#feedback.handle(packet, topic, acknowledge)
    else {
      if (topic?.kind === 'status') this.#status.heard(payloadOf(packet))
      acknowledge()
    }
  }

  #onUp(_: ConnectionUp): void {
    this.#look()
    this.#retained.set(this.#topics.info, this.#info())
    this.#status.connected()
    this.#retained.republish()
    this.#publishHealth()
  }

  /** Follows the services, and looks from time to time at what nobody tells of. */
  #follow(): void {
    const look = setInterval(() => this.#look(), lookMs)
    const health = setInterval(() => this.#publishHealth(), this.#options.config().mqtt.health_interval_s * 1000)
    look.unref()
    health.unref()
    this.#undo.push(
      this.#state.follow(),
      () => clearInterval(look),
      () => clearInterval(health),
    )
  }

  /** State, reasons and pool as they are now. */
  #look(): void {
    if (this.#closing !== undefined) return
    const { serving, models } = this.#options.services
    const { durable } = this.#options.journal.figures()
    if (this.#wasDurable && !durable) this.#events.tell('journal.undurable', { reason: 'the journal cannot be written' }, 'journal')
    this.#wasDurable = durable
    const reasons = [
      ...(durable ? [] : ['the journal cannot be written: requests do not survive a restart']),
      ...[...this.#state.lost].map(device => `${device}: its worker is started again`),
      ...models
        .list()
        .filter(({ state }) => state === 'failed')
        .map(({ name, why }) => `${name}: ${why}`),
    ]
    const { draining } = serving.figures()
    void this.#tell(draining ? 'draining' : reasons.length > 0 ? 'degraded' : 'online', reasons)
    const takes = this.#startConfig.mqtt.pool && !draining && reasons.length === 0
    this.#poolFor(takes ? models.list().filter(({ state, active }) => state === 'ready' && active !== undefined) : [])
    this.#retained.set(this.#topics.info, this.#info())
  }

  #tell(state: GatewayState, reasons: readonly string[]): Promise<unknown> {
    return Promise.resolve(this.#status.set(state, reasons))
  }

  /** One shared subscription per model that is served: dropping it is how the pool learns that this gateway takes nothing. */
  #poolFor(models: readonly ModelRecord[]): void {
    const wanted = new Set(models.map(({ name }) => this.#topics.pool(name)))
    const added = [...wanted].filter(topic => !this.#pooled.has(topic))
    const dropped = [...this.#pooled].filter(topic => !wanted.has(topic))
    this.#pooled = wanted
    if (added.length > 0) this.#data.subscribe(added.map(topic => ({ topic, retained: 'unwanted' })))
    this.#data.unsubscribe(dropped)
  }

  #publishHealth(): void {
    const { services, journal, health, config } = this.#options
    const document = healthDocument({
      stateDir: config().state_dir,
      serving: services.serving,
      journal,
      more: () => ({ mqtt: this.counts(), ...health?.() }),
    })
    void this.#control.publish({
      topic: this.#topics.health,
      payload: JSON.stringify(document),
      qos: 0,
      properties: { contentType: 'application/json', messageExpiryInterval: 2 * config().mqtt.health_interval_s },
    })
  }

  #info() {
    const config = this.#options.config()
    return {
      version,
      contract: contractVersions.at(-1),
      gateway: config.gateway,
      protocol: this.#control.up === undefined ? null : this.#control.up.version === 5 ? '5' : '3.1.1',
      config_sha256: createHash('sha256').update(JSON.stringify(config)).digest('hex'),
      limits: {
        max_payload: maxPayloadBytes(config),
        broker_max_packet: this.#data.up?.maximumPacketSize ?? null,
        receive_maximum: receiveMaximum,
        queue: config.serving.queue,
        queue_mb: config.serving.queue_mb,
        per_caller: config.serving.per_caller,
      },
      verbs: this.#options.commands.map(({ verb }) => verb).sort(),
      restart_required: changedKeys(this.#startConfig, config)
        .filter(({ restarts }) => restarts !== 'nothing')
        .map(({ key }) => key),
    }
  }
}

const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }

const dropped = Promise.resolve({ kind: 'dropped' } as const)

const maxPayloadBytes = ({ serving }: Config): number => Math.floor(serving.max_payload_mb * 2 ** 20)

async function atMost(pending: Promise<void>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([
    pending,
    new Promise<void>(resolve => {
      timer = setTimeout(resolve, limitMs)
    }),
  ])
  clearTimeout(timer)
}
