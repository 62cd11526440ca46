import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import mqttPacket, { type Packet } from 'mqtt-packet'
import { test } from 'tap'
import type { Acknowledge } from '../../../src/gateway/mqtt/acknowledgements.js'
import { Connection } from '../../../src/gateway/mqtt/connection.js'
import { until } from '../../fixtures/mqtt/rig.js'

/** The broker's side of one connection, packet by packet. */
async function playBroker(
  connack: object = {},
): Promise<{ url: string; received: Packet[]; send: (packet: Packet) => void; sockets: Socket[]; close: () => void }> {
  const received: Packet[] = []
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket)
    const parser = mqttPacket.parser({ protocolVersion: 5 })
    parser.on('packet', packet => {
      received.push(packet)
      if (packet.cmd === 'connect') send({ cmd: 'connack', reasonCode: 0, sessionPresent: false, properties: connack } as Packet)
    })
    socket.on('data', data => parser.parse(data))
    socket.on('error', () => undefined)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const send = (packet: Packet) => void sockets.at(-1)?.write(mqttPacket.generate(packet, { protocolVersion: 5 }))
  const close = () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  return { url: `mqtt://127.0.0.1:${port}`, received, send, sockets, close }
}

const acknowledged = (received: readonly Packet[]) => received.filter(({ cmd }) => cmd === 'puback').map(({ messageId }) => messageId)

const publish = (messageId: number): Packet => ({
  cmd: 'publish',
  topic: 'x',
  payload: Buffer.from(String(messageId)),
  qos: 1,
  messageId,
  dup: false,
  retain: false,
})

test('messages are taken while earlier ones are not acknowledged, and PUBACKs leave in the order of arrival', async t => {
  const broker = await playBroker()
  const owed: { body: string; acknowledge: Acknowledge }[] = []
  const connection = new Connection({
    broker: () => ({ url: broker.url, options: {}, versions: [5] }),
    clientId: 'test',
    receiveMaximum: 8,
    maximumPacketSize: 100_000,
    onMessage: (packet, acknowledge) => owed.push({ body: String(packet.payload), acknowledge }),
    onUp: () => undefined,
  })
  connection.start()
  t.teardown(async () => {
    await connection.close(0)
    broker.close()
  })
  await until(() => connection.up, 'a connection')
  for (const id of [1, 2, 3, 4]) broker.send(publish(id))
  await until(() => owed.length === 4, 'four messages')
  t.same(acknowledged(broker.received), [], 'nothing is acknowledged before its owner says so')
  owed[2]!.acknowledge()
  owed[1]!.acknowledge()
  broker.send({ cmd: 'pingresp' })
  owed[0]!.acknowledge()
  await until(() => acknowledged(broker.received).length === 3, 'three acknowledgements')
  t.same(acknowledged(broker.received), [1, 2, 3])
  owed[3]!.acknowledge()
  owed[3]!.acknowledge()
  await until(() => acknowledged(broker.received).length === 4, 'the last one')
  t.same(acknowledged(broker.received), [1, 2, 3, 4])
  const connect = broker.received.find(({ cmd }) => cmd === 'connect')
  t.match(connect, { clean: false, properties: { receiveMaximum: 8, sessionExpiryInterval: 3600 } })
})

test('an acknowledgement of a connection that broke does not reach the next one', async t => {
  const broker = await playBroker()
  const owed: Acknowledge[] = []
  const connection = new Connection({
    broker: () => ({ url: broker.url, options: {}, versions: [5] }),
    clientId: 'test',
    receiveMaximum: 8,
    maximumPacketSize: 100_000,
    onMessage: (_, acknowledge) => owed.push(acknowledge),
    onUp: () => undefined,
  })
  connection.start()
  t.teardown(async () => {
    await connection.close(0)
    broker.close()
  })
  await until(() => connection.up, 'a connection')
  broker.send(publish(1))
  await until(() => owed.length === 1, 'a message')
  broker.sockets[0]!.destroy()
  await until(() => broker.sockets.length === 2 && connection.up, 'the next connection')
  owed[0]!()
  broker.send(publish(9))
  await until(() => owed.length === 2, 'a message on the next connection')
  owed[1]!()
  await until(() => acknowledged(broker.received).length === 1, 'its acknowledgement')
  t.same(acknowledged(broker.received), [9])
})

test('the broker’s Receive Maximum is obeyed, and what was on the way goes again after a reconnect', async t => {
  const broker = await playBroker({ receiveMaximum: 2 })
  const connection = new Connection({
    broker: () => ({ url: broker.url, options: {}, versions: [5] }),
    clientId: 'test',
    receiveMaximum: 8,
    maximumPacketSize: 100_000,
    onMessage: () => undefined,
    onUp: () => undefined,
  })
  connection.start()
  t.teardown(async () => {
    await connection.close(0)
    broker.close()
  })
  await until(() => connection.up, 'a connection')
  const sent = ['a', 'b', 'c', 'd'].map(payload => connection.publish({ topic: 'reply', payload, qos: 1 }))
  const published = () => broker.received.filter(packet => packet.cmd === 'publish')
  await until(() => published().length === 2, 'two messages')
  broker.send({ cmd: 'puback', messageId: published()[0]!.messageId!, reasonCode: 0 })
  await until(() => published().length === 3, 'a third')
  t.same(await sent[0], { kind: 'sent' })
  broker.sockets[0]!.destroy()
  await until(() => published().length === 5, 'two again')
  t.same(
    published().map(({ payload }) => String(payload)),
    ['a', 'b', 'c', 'b', 'c'],
  )
  for (const { messageId } of published().slice(3)) broker.send({ cmd: 'puback', messageId: messageId!, reasonCode: 0 })
  await until(() => published().length === 6, 'the last')
  broker.send({ cmd: 'puback', messageId: published()[5]!.messageId!, reasonCode: 135 })
  t.same(await sent[3], { kind: 'refused', reasonCode: 135 })
})
