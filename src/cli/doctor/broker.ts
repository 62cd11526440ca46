import type { IPublishPacket } from 'mqtt'
import type { Config } from '../../config/schema.js'
import { errorMessage } from '../../errors.js'
import { withTimeout } from '../../time.js'
import { type MqttAccount, nextMessage } from '../client/mqtt-session.js'
import { BrokerLink } from './broker-link.js'
import { type Finding, fail, median, pass, skip, warn } from './finding.js'

type Check = (link: BrokerLink, config: Config) => Promise<Finding>

/** A stock mosquitto delays every QoS 1 round trip by 44 ms (Nagle and delayed acknowledgement, mqtt-contract.md 0.2). */
const latencyLimitMs = 20

const latency: Check = async link => {
  const answerer = await link.another()
  const [there, back] = [`${link.topic}/there`, `${link.topic}/back`]
  await answerer.client.subscribeAsync(there, { qos: 1 })
  await link.session.client.subscribeAsync(back, { qos: 1 })
  const times: number[] = []
  for (let round = 0; round < 15; round += 1) {
    const request = await link.roundTrip(link.session, answerer, { topic: there })
    const answer = await link.roundTrip(answerer, link.session, { topic: back })
    times.push(request.ms + answer.ms)
  }
  const ms = median(times)
  const network = median([await link.networkMs(), await link.networkMs(), await link.networkMs()])
  const text = `${ms.toFixed(1)} ms for a QoS 1 request and its answer (median of 15; the network alone: ${network.toFixed(1)} ms)`
  if (ms - 4 * network <= latencyLimitMs) return pass('latency', text)
  return fail('latency', text, 'mosquitto: `set_tcp_nodelay true` in mosquitto.conf takes off about 44 ms; then restart it')
}

const properties: Check = async link => {
  if (link.version === 4) {
    return warn(
      'properties',
      'the broker speaks MQTT 3.1.1 only',
      'requests carry reply topic and id in their JSON; for correlation, expiry and binary answers use a broker with MQTT 5',
    )
  }
  const sent = {
    responseTopic: `${link.topic}/answer`,
    correlationData: Buffer.from([0, 1, 2, 255]),
    contentType: 'application/vnd.oip.v2+octet-stream',
    messageExpiryInterval: 60,
    payloadFormatIndicator: false,
    userProperties: { v: '1', 'json-len': '17' },
  }
  const topic = `${link.topic}/properties`
  await link.session.client.subscribeAsync(topic, { qos: 1 })
  const { packet } = await link.roundTrip(link.session, link.session, { topic, properties: sent })
  const got: NonNullable<IPublishPacket['properties']> = packet.properties ?? {}
  const user = (got.userProperties ?? {}) as Record<string, unknown>
  const lost = [
    got.responseTopic === sent.responseTopic ? '' : 'response topic',
    got.correlationData?.equals(sent.correlationData) ? '' : 'correlation data',
    got.contentType === sent.contentType ? '' : 'content type',
    (got.messageExpiryInterval ?? 0) > 0 ? '' : 'message expiry',
    user.v === '1' && user['json-len'] === '17' ? '' : 'user properties',
  ].filter(name => name !== '')
  if (lost.length === 0) return pass('properties', 'response topic, correlation, content type, expiry and user properties survive')
  return fail(
    'properties',
    `lost on the way: ${lost.join(', ')}`,
    'a bridge or proxy strips MQTT 5 properties: let it speak MQTT 5 on both sides',
  )
}

const limits: Check = async (link, { serving, mqtt }) => {
  const said = link.connack.properties
  if (said === undefined) return skip('limits', link.version === 4 ? 'MQTT 3.1.1 announces none' : 'the broker announces none')
  const wanted = Math.ceil(serving.max_payload_mb * 2 ** 20)
  const texts = [
    said.maximumPacketSize === undefined ? 'packet size without limit' : `packets up to ${said.maximumPacketSize} bytes`,
    `${said.receiveMaximum ?? 65_535} in flight`,
    ...(said.serverKeepAlive === undefined ? [] : [`keep-alive ${said.serverKeepAlive} s`]),
  ]
  const text = texts.join(', ')
  if (said.retainAvailable === false)
    return fail('limits', `${text}, no retained messages`, 'allow retained messages: status, models and jobs are retained')
  if (said.maximumQoS === 0) return fail('limits', `${text}, QoS 0 only`, 'allow QoS 1: commands and durable requests need it')
  if (mqtt.pool && said.sharedSubscriptionAvailable === false)
    return fail('limits', `${text}, no shared subscriptions`, 'allow shared subscriptions, or set mqtt.pool false')
  if (said.maximumPacketSize !== undefined && said.maximumPacketSize < wanted) {
    return warn(
      'limits',
      `${text}; serving.max_payload_mb allows ${wanted} bytes`,
      'raise the packet limit of the broker, or lower serving.max_payload_mb to it',
    )
  }
  return pass('limits', text)
}

const retained: Check = async link => {
  const topic = `${link.topic}/retained`
  if (link.connack.properties?.retainAvailable === false) return skip('retained', 'the broker announces that it keeps none')
  await link.publish(topic, 'kept', { qos: 1, retain: true })
  try {
    const reader = await link.another()
    const arrival = nextMessage(reader, {
      what: 'retained message',
      timeoutMs: 3000,
      wanted: packet => (packet.topic === topic ? packet : undefined),
    })
    const [packet] = await Promise.all([arrival, reader.client.subscribeAsync(topic, { qos: 1 })])
    if (packet.retain && packet.payload.toString() === 'kept') return pass('retained', 'kept and delivered')
    return fail(
      'retained',
      'delivered without its flag',
      'the broker or a bridge drops the retain flag: readers cannot tell old state from new',
    )
  } finally {
    await link.publish(topic, '', { qos: 1, retain: true })
  }
}

const will: Check = async link => {
  const topic = `${link.topic}/will`
  await link.session.client.subscribeAsync(topic, { qos: 1 })
  const mortal = await link.another({ topic, payload: Buffer.from('gone') })
  const arrival = nextMessage(link.session, {
    what: 'will',
    timeoutMs: 3000,
    wanted: packet => (packet.topic === topic ? packet : undefined),
  })
  mortal.client.stream.destroy()
  await arrival
  return pass('will', 'published when a connection breaks')
}

/** Control and data connection of one gateway have ids of their own; with `use_username_as_clientid` each throws the other out. */
const clientIds: Check = async (link, { broker }) => {
  if (link.session.caller === '-') return skip('client ids', 'no user name: the broker cannot replace client ids by it')
  const first = await link.another()
  let closed = false
  first.client.once('close', () => {
    closed = true
  })
  const topic = `${link.topic}/ids`
  await first.client.subscribeAsync(topic, { qos: 1 })
  const second = await link.another()
  const alive = await link.roundTrip(second, first, { topic }).then(
    () => true,
    () => false,
  )
  if (alive && !closed) return pass('client ids', 'two connections of one user live side by side')
  return fail(
    'client ids',
    `two connections of user '${broker.username ?? link.session.caller}' throw each other out`,
    'mosquitto: remove `use_username_as_clientid` and write the ACL with %u instead of %c',
  )
}

const shared: Check = async (link, { mqtt }) => {
  const topic = `${link.topic}/pool`
  try {
    await link.session.client.subscribeAsync(`$share/doctor/${topic}`, { qos: 1 })
    await link.roundTrip(link.session, link.session, { topic })
    return pass('shared subscriptions', 'work')
  } catch (error) {
    const text = errorMessage(error)
    return mqtt.pool
      ? fail('shared subscriptions', text, 'mqtt.pool needs them: use a broker that has them, and allow `$share` in its ACL')
      : skip('shared subscriptions', `${text} (mqtt.pool is off)`)
  }
}

/** A gateway must not be able to command itself: if it can, so can any client (mqtt-contract.md 4f). Only MQTT 5 tells a publisher that it was refused. */
const acl: Check = async (link, { gateway, mqtt }) => {
  if (link.version === 4) return skip('access control', 'MQTT 3.1.1 does not tell who is refused')
  const topic = `${mqtt.base}/${gateway}/cmd/doctor-probe/${gateway}`
  const refused = await link.session.client.publishAsync(topic, '{}', { qos: 1, properties: { messageExpiryInterval: 1 } }).then(
    () => false,
    () => true,
  )
  if (refused) return pass('access control', 'the gateway cannot publish commands')
  return warn(
    'access control',
    'this account may publish commands: the broker has no ACL, or a wide one',
    'install the ACL of the README, and set `allow_anonymous false`',
  )
}

/** Checks of a broker that lets two connections of one account live. */
const checks: readonly (readonly [name: string, check: Check])[] = [
  ['latency', latency],
  ['properties', properties],
  ['limits', limits],
  ['retained', retained],
  ['will', will],
  ['shared subscriptions', shared],
  ['access control', acl],
]

/** Every check of the broker, each by itself: one that cannot be made is a failure with the broker's words, not the end. */
export async function checkBroker(config: Config, account: MqttAccount): Promise<readonly Finding[]> {
  let link: BrokerLink
  try {
    link = await BrokerLink.open(config.broker, account)
  } catch (error) {
    return [fail('broker', errorMessage(error), 'start the broker, or correct broker.url, user name, password and certificates')]
  }
  const run = async (name: string, check: Check): Promise<Finding> => {
    try {
      await link.revive()
      return await withTimeout(check(link, config), 8000, name)
    } catch (error) {
      const fix = `let the user of the gateway write and read below quantd-reply/${link.session.caller}/ (ACL of the README)`
      return fail(name, errorMessage(error), fix)
    }
  }
  try {
    const version = link.version === 5 ? '5' : '3.1.1'
    const findings = [
      pass('broker', `${config.broker.url}, MQTT ${version}, as ${account.username ?? 'anonymous'}`),
      await run('client ids', clientIds),
    ]
    // The other checks need connections that live side by side.
    if (findings.at(-1)?.status === 'fail') return [...findings, skip('other broker checks', 'not made until the client ids are right')]
    for (const [name, check] of checks) findings.push(await run(name, check))
    return findings
  } finally {
    await link.close()
  }
}
