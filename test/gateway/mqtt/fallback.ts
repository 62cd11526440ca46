import { once } from 'node:events'
import { createServer } from 'node:net'
import { Aedes } from 'aedes'
import sharp from 'sharp'
import { type Test, test } from 'tap'
import { formatEnveloped } from '../../../src/samples/oip2.js'
import { Listener, Rig, until } from '../../fixtures/mqtt/rig.js'

async function startAedes(t: Test): Promise<string> {
  const broker = await Aedes.createBroker()
  const server = createServer(broker.handle).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    broker.close()
    server.close()
  })
  return `mqtt://127.0.0.1:${(server.address() as { port: number }).port}`
}

const topic = 'quantd/gw1/infer/null/app'
const request = { inputs: [{ name: 'image', shape: [1, 4], datatype: 'UINT8', data: [1, 2, 3, 4] }] }

test('a broker of MQTT 3.1.1 is found out, and everything works without properties', async t => {
  const url = await startAedes(t)
  const rig = await Rig.start(t, { url })
  await rig.connected()
  t.match(rig.gateway.status().broker, { control: { version: 4 }, data: { version: 4 } })
  const app = await Listener.connect(t, { url, version: 4, topics: ['quantd-reply/app/#', 'quantd/gw1/#'] })
  const ask = async (to: string, body: Buffer | string, wanted: (text: string) => boolean = () => true) => {
    const before = app.heard.length
    await app.client.publishAsync(to, body, { qos: 1 })
    return until(
      () => app.heard.slice(before).find(heard => /^quantd-reply|\/result\//.test(heard.topic) && wanted(heard.text)),
      `an answer to ${to}`,
    )
  }

  const envelope = { response_topic: 'quantd-reply/app/1', correlation: 'one', timeout_ms: 5000 }
  const json = await ask(topic, JSON.stringify({ ...request, ...envelope }))
  t.match(JSON.parse(json.text), { model_name: 'null', id: 'one', outputs: [{ data: [10, 11, 12] }] })
  t.match(JSON.parse((await ask(topic, JSON.stringify({ ...request, ...envelope }))).text), { id: 'one' }, 'the same again')
  t.equal(rig.serving.figures().answered, 1, 'which did not run again')

  const header = {
    inputs: [{ name: 'image', shape: [1, 4], datatype: 'UINT8', parameters: { binary_data_size: 4 } }],
    outputs: [{ name: 'logits', parameters: { binary_data: true } }],
  }
  const head = Buffer.from(JSON.stringify(header))
  const body = formatEnveloped({
    envelope: { response_topic: 'quantd-reply/app/2', correlation: 'two' },
    request: {
      contentType: 'application/vnd.oip.v2+octet-stream',
      jsonLength: head.length,
      body: Buffer.concat([head, Buffer.from([1, 2, 3, 4])]),
    },
  })
  const binary = await ask(topic, Buffer.from(body))
  t.equal(binary.payload.subarray(0, 4).toString(), 'OIP2')
  const length = binary.payload.readUInt32LE(4)
  t.match(JSON.parse(binary.payload.subarray(8, 8 + length).toString()), { id: 'two' })
  t.equal(binary.payload.readFloatLE(8 + length), 10)

  await rig.models.add('picture', {
    inputs: [{ name: 'image', dtype: 'float32', shape: [1, 3, 2, 2] }],
    manifest: { inputs: { image: { from: 'image', scale: 1 } } },
  })
  const jpeg = await sharp({ create: { width: 4, height: 4, channels: 3, background: '#fff' } })
    .jpeg()
    .toBuffer()
  const picture = await ask('quantd/gw1/infer/picture/app', jpeg, text => text.includes('outputs'))
  t.equal(picture.topic, 'quantd/gw1/result/picture')

  for (const [bad, code] of [
    [JSON.stringify({ ...request, ...envelope, correlation: 'bad', response_topic: 'quantd-reply/app/1', inputs: [] }), 'SHAPE_MISMATCH'],
    [JSON.stringify({ ...request, response_topic: 'quantd-reply/app/1' }), 'INVALID_ARGUMENT'],
    [JSON.stringify({ ...envelope, timeout_ms: 'soon' }), 'INVALID_ARGUMENT'],
  ] as const)
    t.match(JSON.parse((await ask(topic, bad, text => text.includes('"code"'))).text), { code })

  const command = await ask(
    'quantd/gw1/cmd/activate/app',
    JSON.stringify({ model: 'null', version: '2', ...envelope, correlation: 'three' }),
    text => text.includes('three'),
  )
  t.match(JSON.parse(command.text), { active: '2', status: 200, correlation: 'three' })
  await app.client.publishAsync(topic, JSON.stringify({ ...request, response_topic: 'quantd-reply/victim/1', correlation: 'x' }), {
    qos: 1,
  })
  await app.next('quantd/gw1/event/security.rejected')
})

test('a 3.1.1 caller behind an MQTT 5 broker is served the same way', async t => {
  const { Mosquitto } = await import('../../fixtures/mqtt/mosquitto.js')
  const broker = await Mosquitto.start()
  t.teardown(() => broker.close())
  const rig = await Rig.start(t, { url: broker.url })
  await rig.connected()
  t.match(rig.gateway.status().broker.data, { version: 5 })
  const app = await Listener.connect(t, { url: broker.url, version: 4, topics: ['quantd-reply/app/#'] })
  await app.client.publishAsync(topic, JSON.stringify({ response_topic: 'quantd-reply/app/1', correlation: 'old', ...request }), { qos: 1 })
  t.match(JSON.parse((await app.next('quantd-reply/app/1')).text), { id: 'old', outputs: [{ data: [10, 11, 12] }] })
})
