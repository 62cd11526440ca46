import { randomUUID } from 'node:crypto'
import sharp from 'sharp'
import { type Test, test } from 'tap'
import { Mosquitto } from '../../fixtures/mqtt/mosquitto.js'
import { type Heard, Listener, Rig, type RigOptions, until } from '../../fixtures/mqtt/rig.js'

const infer = 'quantd/gw1/infer/null/app'
const raw = Buffer.from([1, 2, 3, 4])
const octets = { contentType: 'application/octet-stream' }

async function open(t: Test, options: Omit<RigOptions, 'url'> = {}): Promise<{ rig: Rig; app: Listener; broker: Mosquitto }> {
  const broker = await Mosquitto.start()
  t.teardown(() => broker.close())
  const rig = await Rig.start(t, { url: broker.url, ...options })
  const app = await Listener.connect(t, { url: broker.url, topics: ['quantd-reply/app/#', 'quantd/gw1/result/#', 'quantd/gw1/event/#'] })
  await rig.connected()
  return { rig, app, broker }
}

const error = (heard: Heard) =>
  JSON.parse(heard.text) as { code: string; status: number; details: Record<string, unknown>; retry_after_ms?: number }

test('every encoding is answered, with the timings as properties', async t => {
  const { rig, app } = await open(t)
  const expected = {
    model_name: 'null',
    model_version: '1',
    outputs: [{ name: 'logits', datatype: 'FP32', shape: [1, 3], data: [10, 11, 12] }],
  }
  const answer = await app.ask(infer, raw, { ...octets, correlation: 'one' })
  t.match(JSON.parse(answer.text), expected)
  const micros = /^\d+$/
  t.match(answer.properties, {
    status: '200',
    'model-version': '1',
    device: 'cpu0',
    'queue-us': micros,
    'decode-us': micros,
    'infer-us': micros,
    'encode-us': micros,
    'total-us': micros,
  })
  t.equal(answer.packet.properties?.contentType, 'application/json')
  t.match(rig.journal.figures(), { inbox: 0, remembered: 1, durable: true })

  const json = { inputs: [{ name: 'image', shape: [1, 4], datatype: 'UINT8', data: [1, 2, 3, 4] }] }
  t.match(JSON.parse((await app.ask(infer, JSON.stringify(json), { contentType: 'application/json; charset=utf-8' })).text), expected)

  const header = Buffer.from(
    JSON.stringify({
      inputs: [{ name: 'image', shape: [1, 4], datatype: 'UINT8', parameters: { binary_data_size: 4 } }],
      outputs: [{ name: 'logits', parameters: { binary_data: true } }],
    }),
  )
  const binary = await app.ask(infer, Buffer.concat([header, raw]), {
    contentType: 'application/vnd.oip.v2+octet-stream',
    userProperties: { 'json-len': String(header.length), v: '1' },
  })
  const jsonLength = Number(binary.properties['json-len'])
  t.match(JSON.parse(binary.payload.subarray(0, jsonLength).toString()), { outputs: [{ parameters: { binary_data_size: 12 } }] })
  t.equal(binary.payload.readFloatLE(jsonLength), 10)
  t.equal(binary.packet.properties?.contentType, 'application/vnd.oip.v2+octet-stream')

  const memory = await app.ask(infer, raw, { ...octets, qos: 0 })
  t.match(JSON.parse(memory.text), expected)
  t.equal(memory.packet.qos, 0, 'a QoS 0 request is answered with QoS 0')
  const other = await app.ask(infer, raw, { ...octets, userProperties: { version: '2' } })
  t.equal(other.properties['model-version'], '2')
})

test('JPEG and PNG are decoded by the declared preprocessing', async t => {
  const { rig, app } = await open(t)
  await rig.models.add('picture', {
    inputs: [{ name: 'image', dtype: 'float32', shape: [1, 3, 2, 2] }],
    manifest: { inputs: { image: { from: 'image', scale: 1 } } },
  })
  const white = sharp({ create: { width: 8, height: 8, channels: 3, background: '#fff' } })
  for (const [contentType, body] of [
    ['image/jpeg', await white.clone().jpeg().toBuffer()],
    ['image/png', await white.clone().png().toBuffer()],
  ] as const) {
    const answer = await app.ask('quantd/gw1/infer/picture/app', body, { contentType })
    t.equal(JSON.parse(answer.text).outputs[0].data[0], 12 * 255, contentType)
  }
  const broken = await app.ask('quantd/gw1/infer/picture/app', Buffer.from([0xff, 0xd8, 0xff, 0]), { contentType: 'image/jpeg' })
  t.match(error(broken), { code: 'UNSUPPORTED_MEDIA', status: 415 })
})

test('each way to be wrong has its code, and every request is answered', async t => {
  const { rig, app } = await open(t, { limits: { maxPayloadBytes: 5000 } })
  const wrong: readonly (readonly [string, string, Buffer | string, object, string])[] = [
    ['bad JSON', 'null', '{"inputs":', { contentType: 'application/json' }, 'INVALID_ARGUMENT'],
    ['shape', 'null', Buffer.alloc(5), octets, 'SHAPE_MISMATCH'],
    [
      'header length',
      'null',
      '{}',
      { contentType: 'application/vnd.oip.v2+octet-stream', userProperties: { 'json-len': '99' } },
      'INVALID_ARGUMENT',
    ],
    ['no header length', 'null', '{}', { contentType: 'application/vnd.oip.v2+octet-stream' }, 'INVALID_ARGUMENT'],
    ['model', 'nobody', raw, octets, 'MODEL_NOT_FOUND'],
    ['model name', 'a b', raw, octets, 'MODEL_NOT_FOUND'],
    ['version', 'null', raw, { ...octets, userProperties: { version: '9' } }, 'VERSION_NOT_FOUND'],
    ['size', 'null', Buffer.alloc(5001), octets, 'PAYLOAD_TOO_LARGE'],
    ['content type', 'null', raw, { contentType: 'video/mp4' }, 'UNSUPPORTED_MEDIA'],
    ['contract', 'null', raw, { ...octets, userProperties: { v: '7' } }, 'UNSUPPORTED_VERSION'],
    ['time limit', 'null', raw, { ...octets, userProperties: { 'timeout-ms': 'soon' } }, 'INVALID_ARGUMENT'],
    ['priority', 'null', raw, { ...octets, userProperties: { prio: '1.5' } }, 'INVALID_ARGUMENT'],
    ['correlation', 'null', raw, { ...octets, correlation: 'x'.repeat(65) }, 'INVALID_ARGUMENT'],
    ['no correlation', 'null', raw, { ...octets, correlation: '' }, 'INVALID_ARGUMENT'],
  ]
  for (const [what, model, body, options, code] of wrong) {
    const before = app.heard.length
    const given = options as { correlation?: string }
    if (given.correlation === '') {
      await app.client.publishAsync(`quantd/gw1/infer/${model}/app`, body, {
        qos: 1,
        properties: { ...octets, responseTopic: 'quantd-reply/app/none' },
      })
      await until(() => app.heard.length > before, 'a refusal without correlation')
      t.equal(error(app.heard.at(-1)!).code, code, what)
    } else {
      const heard = await app.ask(`quantd/gw1/infer/${model}/app`, body, options)
      t.match([error(heard).code, Number(heard.properties.status)], [code, error(heard).status], what)
      t.match(error(heard).details.cause, /^ERR_/, `${what}: our own code is in the details`)
    }
  }
  t.equal(rig.serving.figures().answered, 0)
  t.match(rig.gateway.counts().infer, { received: wrong.length })
})

test('a request delivered again gets the answer of the first and does not run again', async t => {
  const { rig, app } = await open(t)
  const first = await app.ask(infer, raw, { ...octets, correlation: 'twin' })
  await rig.models.activate('null', '2')
  const again = await app.ask(infer, raw, { ...octets, correlation: 'twin' })
  t.same(again.payload, first.payload, 'same bytes, although another version is active now')
  t.match(again.properties, { dup: '1', 'model-version': '1' })
  t.equal(rig.serving.figures().answered, 1)

  await rig.models.add('slow', { latencyMs: 100 })
  const before = app.heard.length
  const properties = { ...octets, responseTopic: 'quantd-reply/app/1', correlationData: Buffer.from('pair') }
  for (let copy = 0; copy < 5; copy += 1) await app.client.publishAsync('quantd/gw1/infer/slow/app', raw, { qos: 1, properties })
  await until(() => app.heard.length > before, 'the answer of five copies')
  t.equal((await app.ask(infer, raw, octets)).properties.status, '200', 'what came later is answered')
  t.equal(app.heard.length, before + 2, 'five copies of a running request get one answer')
})

test('an answer that asks for a retry is not remembered: the retry runs', async t => {
  const { rig, app } = await open(t, { limits: { perCaller: 1 } })
  await rig.models.add('slow', { latencyMs: 150 })
  const running = app.ask('quantd/gw1/infer/slow/app', raw, octets)
  await until(() => rig.serving.figures().inFlight === 1, 'a request in flight')
  const refused = await app.ask(infer, raw, { ...octets, correlation: 'patience' })
  t.match(error(refused), { code: 'OVERLOADED', status: 429, retryable: true, retry_after_ms: Number })
  await running
  const retried = await app.ask(infer, raw, { ...octets, correlation: 'patience' })
  t.equal(retried.properties.status, '200')
})

test('a request whose time is over is dropped without a word and never runs', async t => {
  const { rig, app } = await open(t)
  await rig.models.add('slow', { latencyMs: 60, manifest: { order: 'strict' } })
  const send = (options: object) =>
    app.client.publishAsync('quantd/gw1/infer/slow/app', raw, {
      qos: 1,
      properties: { ...octets, responseTopic: 'quantd-reply/app/1', correlationData: Buffer.from(randomUUID()), ...options },
    })
  await send({})
  for (let index = 0; index < 20; index += 1) await send({ userProperties: { 'timeout-ms': '5' } })
  await send({})
  await until(() => rig.serving.figures().answered === 2 && rig.journal.figures().inbox === 0, 'both answers')
  t.match(rig.serving.figures(), { answered: 2, expired: 20, refused: 0 })
  const answers = () => app.heard.filter(({ topic }) => topic === 'quantd-reply/app/1').length
  await until(() => answers() === 2, 'two answers')
  await send({ userProperties: { 'timeout-ms': '30' } })
  await until(() => rig.serving.figures().expiredLate === 1, 'a result that came too late')
  await app.ask(infer, raw, { ...octets, replyTopic: 'quantd-reply/app/last' })
  t.equal(answers(), 2)
})

test('a reply topic that is not the caller’s is never published to, and is told', async t => {
  const { rig, app } = await open(t)
  const victim = await Listener.connect(t, { url: rig.config.broker.url, topics: ['quantd-reply/#', 'quantd/gw1/cmd/#'] })
  const topics = [
    'quantd-reply/victim/1',
    'quantd/gw1/cmd/drain/app',
    'quantd-reply/app',
    'quantd-reply/app/',
    'quantd-reply/appendix/1',
    `quantd-reply/app/${'x'.repeat(300)}`,
  ]
  for (const responseTopic of topics)
    await app.client.publishAsync(infer, raw, { qos: 1, properties: { ...octets, responseTopic, correlationData: Buffer.from('x') } })
  await app.ask(infer, raw, octets)
  t.equal(rig.gateway.counts().replies.rejectedReplyTopics, topics.length)
  t.equal(rig.serving.figures().answered, 1)
  const event = await app.next('quantd/gw1/event/security.rejected', ({ text }) => text.includes('quantd-reply/victim/1'))
  t.match(JSON.parse(event.text), { caller: 'app', topic: 'quantd-reply/victim/1', why: /not below quantd-reply\/app\// })
  t.match(event.properties, { type: 'quantd.security.rejected', specversion: '1.0', source: 'quantd/gw1' })
  t.same(
    victim.heard.map(({ topic }) => topic),
    ['quantd-reply/app/1'],
  )
})

test('without a response topic an MQTT 5 request is counted and not run; a retained one neither', async t => {
  const { rig, app } = await open(t)
  await app.client.publishAsync(infer, raw, { qos: 1, properties: octets })
  await app.client.publishAsync(infer, raw, {
    qos: 1,
    retain: true,
    properties: { ...octets, responseTopic: 'quantd-reply/app/1', correlationData: Buffer.from('r') },
  })
  await app.ask(infer, raw, octets)
  t.equal(rig.serving.figures().answered, 1)
  t.match(rig.gateway.counts(), { infer: { received: 3, retained: 1 }, replies: { withoutReplyTopic: 1 } })
})

test('durability none and broker answer without the journal', async t => {
  const { rig, app } = await open(t)
  for (const durability of ['none', 'broker']) {
    await rig.models.add(durability, { manifest: { durability } })
    t.equal((await app.ask(`quantd/gw1/infer/${durability}/app`, raw, octets)).properties.status, '200', durability)
  }
  t.match(rig.journal.figures(), { commits: 1, remembered: 0 }, 'the only commit was that of the recovery')
})

test('a journal that cannot be written serves with durable=0, or refuses with 507 where that is demanded', async t => {
  const { rig, app } = await open(t)
  await rig.journal.close()
  const answer = await app.ask(infer, raw, octets)
  t.match(answer.properties, { status: '200', durable: '0' })
  await app.next('quantd/gw1/event/journal.undurable')
  t.match(rig.gateway.status(), { state: 'degraded', reasons: [/journal/] })
  rig.config.mqtt.strict_durability = true
  t.match(error(await app.ask(infer, raw, octets)), { code: 'INSUFFICIENT_STORAGE', status: 507 })
})

test('feedback reaches the capture by id or correlation', async t => {
  const { rig, app } = await open(t)
  const feedback = 'quantd/gw1/feedback/null/app'
  t.match(JSON.parse((await app.ask(feedback, JSON.stringify({ id: 'r1', label: 3 }))).text), { found: true })
  t.match(JSON.parse((await app.ask(feedback, JSON.stringify({ id: 'gone', label: 'text', note: 'ignored' }))).text), { found: false })
  t.match(error(await app.ask(feedback, '{"id":1}')), { code: 'INVALID_ARGUMENT' })
  await app.client.publishAsync(feedback, '{"id":"quiet","label":[1,2]}', { qos: 1 })
  await until(() => rig.labels.length === 3, 'three labels')
  t.same(rig.labels, [
    { model: 'null', id: 'r1', label: 3 },
    { model: 'null', id: 'gone', label: 'text' },
    { model: 'null', id: 'quiet', label: [1, 2] },
  ])
})

test('a result larger than the broker takes becomes a refusal with the limit', async t => {
  const broker = await Mosquitto.start({ config: ['max_packet_size 20000'] })
  t.teardown(() => broker.close())
  const rig = await Rig.start(t, { url: broker.url })
  await rig.models.add('large', { outputs: [{ name: 'logits', dtype: 'float32', shape: [1, 9000] }] })
  const app = await Listener.connect(t, { url: broker.url, topics: ['quantd-reply/app/#'] })
  await rig.connected()
  const answer = await app.ask('quantd/gw1/infer/large/app', raw, octets)
  t.match(error(answer), { code: 'PAYLOAD_TOO_LARGE', details: { limit: 20_000 } })
})
