import { join } from 'node:path'
import { test } from 'tap'
import { Mosquitto } from '../../fixtures/mqtt/mosquitto.js'
import { type Heard, Listener, pause, Rig, until } from '../../fixtures/mqtt/rig.js'

const body = (heard: Heard | undefined) => JSON.parse(heard?.text ?? 'null') as Record<string, unknown>

test('the retained topics tell who is there, what it can and which models it serves', async t => {
  const broker = await Mosquitto.start()
  t.teardown(() => broker.close())
  const rig = await Rig.start(t, { url: broker.url, health: () => ({ workers: [{ device: 'cpu0' }] }) })
  await rig.connected()
  await until(() => rig.gateway.counts().unsent === 0, 'all state at the broker')
  const late = await Listener.connect(t, { url: broker.url, topics: ['quantd/gw1/#'] })
  t.match(body(await late.next('quantd/gw1/status')), { state: 'online', epoch: 1, since: /^20/, reasons: [] })
  await late.next('quantd/gw1/info', heard => body(heard).protocol === '5')
  t.match(body(late.last('quantd/gw1/info')), {
    contract: '1',
    gateway: 'gw1',
    limits: { max_payload: 16 * 2 ** 20, receive_maximum: 16, queue: 256 },
    verbs: ['activate', 'drain', 'requantize', 'resume', 'sleep'],
    restart_required: [],
    config_sha256: /^[0-9a-f]{64}$/,
  })
  t.match(body(await late.next('quantd/gw1/devices/cpu0')), { kind: 'cpu', state: 'ready', name: 'test processor' })
  t.match(body(await late.next('quantd/gw1/models/null')), {
    name: 'null',
    versions: ['1', '2'],
    platform: 'null',
    inputs: [{ name: 'image', datatype: 'UINT8', shape: [1, 4] }],
    active: '1',
  })
  for (const heard of late.heard.filter(({ topic }) => topic !== 'quantd/gw1/health'))
    t.equal(heard.packet.retain, true, `${heard.topic} was retained`)

  await rig.models.unload('null')
  await late.next('quantd/gw1/models/null', ({ text }) => text === '')
  const later = await Listener.connect(t, { url: broker.url, topics: ['quantd/gw1/models/+', 'quantd/gw1/status'] })
  await later.next('quantd/gw1/status')
  t.notOk(later.last('quantd/gw1/models/null'), 'an unloaded model leaves nothing behind')
})

test('health comes at once and holds what operators look for', async t => {
  const broker = await Mosquitto.start()
  t.teardown(() => broker.close())
  const ops = await Listener.connect(t, { url: broker.url, topics: ['quantd/gw1/health'] })
  await Rig.start(t, { url: broker.url, health: () => ({ workers: [{ device: 'cpu0' }] }) })
  t.match(body(await ops.next('quantd/gw1/health')), {
    load: [Number, Number, Number],
    rss_mib: { daemon: Number },
    disk_free_mib: Number,
    queue: { waiting: 0 },
    latency_ms: { p50: 0, p99: 0 },
    journal: { inbox: 0, outbox: 0, durable: true, bytes_per_day: Number },
    workers: [{ device: 'cpu0' }],
  })
})

test('a stop shows as draining, then offline', async t => {
  const broker = await Mosquitto.start()
  t.teardown(() => broker.close())
  const ops = await Listener.connect(t, { url: broker.url, topics: ['quantd/gw1/status'] })
  const rig = await Rig.start(t, { url: broker.url })
  await ops.next('quantd/gw1/status', heard => body(heard).state === 'online')
  await rig.gateway.close()
  await ops.next('quantd/gw1/status', heard => body(heard).state === 'offline')
  t.match(
    ops.heard.map(heard => body(heard).state),
    ['online', 'draining', 'offline'],
  )
})

test('a late will of an earlier connection is contradicted at once', async t => {
  const broker = await Mosquitto.start()
  t.teardown(() => broker.close())
  const rig = await Rig.start(t, { url: broker.url })
  await rig.connected()
  const other = await Listener.connect(t, { url: broker.url, topics: ['quantd/gw1/status'] })
  await other.next('quantd/gw1/status')
  await other.client.publishAsync('quantd/gw1/status', '{"state":"offline","epoch":0}', { qos: 1, retain: true })
  await until(() => body(other.heard.at(-1)).state === 'online' && other.heard.length >= 3, 'online again')
  t.same(
    other.heard.map(heard => body(heard).state),
    ['online', 'offline', 'online'],
  )
})

test('after kill -9 of the broker everything retained is there again, with a new epoch, and requests sent meanwhile are answered', async t => {
  const broker = await Mosquitto.start({ persistence: 'nothing' })
  t.teardown(() => broker.close())
  const rig = await Rig.start(t, { url: broker.url })
  const app = await Listener.connect(t, { url: broker.url, topics: [] })
  await rig.connected()
  const { epoch } = rig.gateway.status()
  await broker.kill()
  await until(() => rig.gateway.status().broker.control === null, 'the loss')
  const properties = {
    responseTopic: 'quantd-reply/app/1',
    correlationData: Buffer.from('meanwhile'),
    contentType: 'application/octet-stream',
  }
  const published = app.client.publishAsync('quantd/gw1/infer/null/app', Buffer.from([1, 2, 3, 4]), { qos: 1, properties })
  await broker.start()
  await rig.connected()
  const late = await Listener.connect(t, { url: broker.url, topics: ['quantd/gw1/#', 'quantd-reply/app/#'] })
  await late.next('quantd/gw1/models/null')
  await late.next('quantd/gw1/devices/cpu0')
  await late.next('quantd/gw1/info')
  const status = body(await late.next('quantd/gw1/status'))
  t.equal(status.state, 'online')
  t.ok(Number(status.epoch) > epoch, 'a new epoch')
  await published
  // A broker that forgot the subscriptions may take the request before the gateway is back: the caller repeats it, as the contract says.
  const answer = await late.ask('quantd/gw1/infer/null/app', Buffer.from([1, 2, 3, 4]), {
    ...properties,
    replyTopic: 'quantd-reply/app/1',
    correlation: 'meanwhile',
  })
  t.equal(answer.properties.status, '200')
})

test('the pool topic is served while the gateway is well, and given up when it drains', async t => {
  const broker = await Mosquitto.start()
  t.teardown(() => broker.close())
  const folder = t.testdir({ gw1: {}, gw2: {} })
  const rigs = []
  for (const gateway of ['gw1', 'gw2'])
    rigs.push(
      await Rig.start(t, {
        url: broker.url,
        folder: join(folder, gateway),
        config: { gateway, mqtt: { pool: true } },
      }),
    )
  const [first, second] = rigs as [Rig, Rig]
  await first.connected()
  await second.connected()
  const app = await Listener.connect(t, { url: broker.url, topics: ['quantd-reply/app/#'] })
  await pause(50)
  const ask = () => app.ask('quantd/any/infer/null/app', Buffer.from([1, 2, 3, 4]), { contentType: 'application/octet-stream' })
  for (let index = 0; index < 20; index += 1) t.equal((await ask()).properties.status, '200')
  const shares = rigs.map(rig => rig.serving.figures().answered)
  t.ok(
    shares.every(share => share > 0),
    `both answered: ${shares}`,
  )
  await first.gateway.close()
  const before = first.serving.figures().received
  for (let index = 0; index < 10; index += 1) t.equal((await ask()).properties.status, '200')
  t.equal(first.serving.figures().received, before, 'the drained one gets nothing')
})
