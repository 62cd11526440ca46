import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IClientOptions, IClientPublishOptions, IConnackPacket, IPublishPacket, MqttClient, Packet } from 'mqtt'
import type { Config } from '../../config/schema.js'
import { errorMessage, QuantdError } from '../../errors.js'
import { connectFailure } from '../../gateway/mqtt/connect-failure.js'

export interface MqttAccount {
  readonly username?: string | undefined
  readonly passwordFile?: string | undefined
}

export interface MqttTarget {
  readonly broker: Config['broker']
  readonly account: MqttAccount
  readonly timeoutMs?: number
  /** Tried in this order; 3.1.1 has no properties. */
  readonly versions?: readonly (4 | 5)[]
  readonly will?: { readonly topic: string; readonly payload: Buffer }
}

/** First line of a password file. @throws ERR_CONFIG_READ */
export function readPassword(path: string): string {
  try {
    return readFileSync(path, 'utf8').split(/\r?\n/)[0] ?? ''
  } catch (error) {
    throw new QuantdError('ERR_CONFIG_READ', `password file ${path}: ${errorMessage(error)}`, { cause: error })
  }
}

function options({ broker, account, will, timeoutMs = 5000 }: MqttTarget, protocolVersion: 4 | 5): IClientOptions {
  const file = (path: string | undefined) => (path === undefined ? undefined : readFileSync(path))
  const tls = Object.entries({ ca: file(broker.ca_file), cert: file(broker.cert_file), key: file(broker.key_file) })
  return {
    protocolVersion,
    clientId: `quantd-cli-${randomUUID().slice(0, 13)}`,
    clean: true,
    connectTimeout: timeoutMs,
    reconnectPeriod: 0,
    keepalive: 30,
    ...Object.fromEntries(tls.filter(([, value]) => value !== undefined)),
    ...(will === undefined ? {} : { will: { ...will, qos: 1, retain: false } }),
    ...(account.username === undefined ? {} : { username: account.username }),
    ...(account.passwordFile === undefined ? {} : { password: readPassword(account.passwordFile) }),
  }
}

/** A connected client of a person: clean session, one-off client id, no reconnection. */
export interface MqttSession {
  readonly client: MqttClient
  readonly protocolVersion: 4 | 5
  /** What the broker said at connect: its limits, with MQTT 5. */
  readonly connack: IConnackPacket
  /** Last topic level of requests: the user name, '-' without one (mqtt-contract.md 4a). */
  readonly caller: string
}

/** One attempt. Later errors are heard and dropped: each wait has its own limit, and MQTT.js would throw what nobody listens to. */
async function connectOnce(
  url: string,
  options: IClientOptions,
): Promise<{ readonly client: MqttClient; readonly connack: IConnackPacket }> {
  // Loaded here: most verbs speak over the control socket.
  const { connect } = await import('mqtt')
  return new Promise((resolve, reject) => {
    const client = connect(url, options)
    const fail = (error: Error) => client.end(true, () => reject(error))
    const closed = () => fail(new Error('the broker closed the connection'))
    client.on('error', () => undefined) // the first one is taken below; later ones must not throw
    client.once('error', fail)
    client.once('close', closed)
    client.once('connect', connack => {
      client.off('error', fail)
      client.off('close', closed)
      // Without it Nagle holds back what follows an acknowledgement until the broker's delayed one: 40 ms a message.
      const { stream } = client as { stream: { setNoDelay?: (on: boolean) => unknown } }
      stream.setNoDelay?.(true)
      resolve({ client, connack })
    })
  })
}

/** @throws ERR_CLI_BROKER with the broker's own reason */
export async function openMqttSession(target: MqttTarget): Promise<MqttSession> {
  const { broker, account } = target
  const fixed = broker.protocol === '5' ? [5 as const] : broker.protocol === '3.1.1' ? [4 as const] : undefined
  let failure: unknown
  for (const version of target.versions ?? fixed ?? [5 as const, 4 as const]) {
    try {
      const { client, connack } = await connectOnce(broker.url, options(target, version))
      return { client, connack, protocolVersion: version, caller: account.username ?? '-' }
    } catch (error) {
      failure = error
      // Only a broker that refuses the protocol version (MQTT 5: 0x84, MQTT 3.1.1: 1) is worth the older one.
      const code = (error as { code?: unknown }).code
      if (code !== 0x84 && code !== 1 && !/protocol|connack timeout|closed/i.test(errorMessage(error))) break
    }
  }
  const { code, message } = connectFailure(failure, broker)
  const anonymous =
    code === 'ERR_MQTT_LOGIN' && account.username === undefined ? '; name an account with --username and --password-file' : ''
  throw new QuantdError('ERR_CLI_BROKER', `broker: ${message}${anonymous}`, { details: { cause: code }, cause: failure })
}

/** Resolves with the first message that `wanted` picks. @throws ERR_CLI_NO_ANSWER after `timeoutMs`; ERR_CLI_BROKER when the connection ends */
export function nextMessage<T>(
  { client }: MqttSession,
  {
    wanted,
    timeoutMs,
    what,
    signal,
  }: { wanted: (packet: IPublishPacket) => T | undefined; timeoutMs: number; what: string; signal?: AbortSignal },
): Promise<T> {
  return new Promise((resolve, reject) => {
    const done = (settle: () => void) => {
      clearTimeout(timer)
      client.off('message', look)
      client.off('close', closed)
      signal?.removeEventListener('abort', aborted)
      settle()
    }
    const look = (_topic: string, _payload: Buffer, packet: IPublishPacket) => {
      const found = wanted(packet)
      if (found !== undefined) done(() => resolve(found))
    }
    const closed = () => done(() => reject(new QuantdError('ERR_CLI_BROKER', `${what}: the broker closed the connection`)))
    const aborted = () => done(() => reject(new QuantdError('ERR_ABORTED', 'stopped')))
    const timer = setTimeout(
      () =>
        done(() => reject(new QuantdError('ERR_CLI_NO_ANSWER', `${what}: no answer within ${timeoutMs} ms`, { details: { timeoutMs } }))),
      timeoutMs,
    )
    client.on('message', look)
    client.on('close', closed)
    signal?.addEventListener('abort', aborted, { once: true })
    if (signal?.aborted) aborted()
  })
}

/** PUBACK of MQTT 5: nobody subscribes to this topic. */
const noMatchingSubscribers = 16

/**
 * Publishes with QoS 1, and hears what the broker says of it: MQTT 5 tells of a missing right and of a topic that nobody reads, 3.1.1 of neither.
 * @param where what should listen there, for messages
 * @throws ERR_CLI_BROKER, ERR_CLI_UNREACHABLE
 */
export async function publishTo(
  { client }: MqttSession,
  {
    topic,
    where,
    payload,
    properties,
  }: { topic: string; where: string; payload: Buffer | string; properties?: IClientPublishOptions['properties'] },
): Promise<void> {
  // MQTT.js keeps the reason code of an acknowledgement that is no error to itself.
  const unheard = new Set<number | undefined>()
  const look = (packet: Packet) => {
    if (packet.cmd === 'puback' && packet.reasonCode === noMatchingSubscribers) unheard.add(packet.messageId)
  }
  client.on('packetreceive', look)
  try {
    const sent = await client.publishAsync(topic, payload, { qos: 1, ...(properties === undefined ? {} : { properties }) })
    if (sent === undefined || !unheard.has(sent.messageId)) return
  } catch (error) {
    throw new QuantdError('ERR_CLI_BROKER', `the broker refused to publish on ${topic}: ${errorMessage(error)}`, {
      details: { topic },
      cause: error,
    })
  } finally {
    client.off('packetreceive', look)
  }
  throw new QuantdError('ERR_CLI_UNREACHABLE', `nobody listens on ${topic}: there is no ${where}`, { details: { topic } })
}
