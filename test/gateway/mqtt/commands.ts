import { randomUUID } from 'node:crypto'
import { type Test, test } from 'tap'
import { Mosquitto } from '../../fixtures/mqtt/mosquitto.js'
import { type Heard, Listener, Rig, type RigOptions, until } from '../../fixtures/mqtt/rig.js'

const cmd = (verb: string) => `quantd/gw1/cmd/${verb}/ops`
const reply = { replyTopic: 'quantd-reply/ops/1' }
const body = (heard: Heard) => JSON.parse(heard.text) as Record<string, unknown>

async function open(t: Test, options: Omit<RigOptions, 'url'> = {}): Promise<{ rig: Rig; ops: Listener }> {
  const broker = await Mosquitto.start()
  t.teardown(() => broker.close())
  const rig = await Rig.start(t, { url: broker.url, ...options })
  const ops = await Listener.connect(t, { url: broker.url, topics: ['quantd-reply/ops/#', 'quantd/gw1/#'] })
  await rig.connected()
  return { rig, ops }
}

test('a command is checked, called with its caller, and answered', async t => {
  const { rig, ops } = await open(t)
  const answer = await ops.ask(cmd('activate'), '{"model":"null","version":"2"}', reply)
  t.match([answer.properties.status, body(answer)], ['200', { active: '2' }])
  t.same(rig.calls, [{ verb: 'activate', caller: 'ops', request: { model: 'null', version: '2' } }])
  t.match(body(await ops.next('quantd/gw1/models/null', ({ text }) => text.includes('"active":"2"'))), { previous: '1', platform: 'null' })
  t.match(body(await ops.next('quantd/gw1/event/model.activated')), { model: 'null', version: '2', from: '1' })

  const wrong: readonly (readonly [string, string, string])[] = [
    ['activate', '{"model":"null"}', 'INVALID_ARGUMENT'],
    ['activate', '{"model":"null","version":"2","extra":1}', 'INVALID_ARGUMENT'],
    ['activate', '{"model":', 'INVALID_ARGUMENT'],
    ['activate', '[]', 'INVALID_ARGUMENT'],
    ['activate', '{"model":"nobody","version":"1"}', 'MODEL_NOT_FOUND'],
    ['destroy', '{}', 'INVALID_ARGUMENT'],
    ['sleep', '{}', 'DEADLINE_EXCEEDED'],
  ]
  for (const [verb, text, code] of wrong) t.match(body(await ops.ask(cmd(verb), text, reply)), { code, error: String }, `${verb} ${text}`)
})

test('a command sent twice runs once; a job has the id of its correlation', async t => {
  const { rig, ops } = await open(t)
  const correlation = randomUUID()
  const first = await ops.ask(cmd('requantize'), '{"model":"null"}', { ...reply, correlation })
  t.match([first.properties.status, body(first)], ['202', { job_id: correlation, state: 'succeeded' }])
  const again = await ops.ask(cmd('requantize'), '{"model":"null"}', { ...reply, correlation })
  t.match([again.properties.dup, body(again)], ['1', { job_id: correlation }])
  t.equal(rig.jobs.started.length, 1)
  t.match(body(await ops.next(`quantd/gw1/jobs/${correlation}`)), { state: 'succeeded', rev: 1, caller: 'ops', trigger: 'mqtt' })
  t.match(body(await ops.next('quantd/gw1/event/job.finished')), { job_id: correlation })
  await ops.ask(cmd('activate'), '{"model":"null","version":"2"}', { ...reply, correlation: 'swap' })
  await rig.models.activate('null', '1')
  await ops.ask(cmd('activate'), '{"model":"null","version":"2"}', { ...reply, correlation: 'swap' })
  t.equal(rig.models.get('null').active, '1', 'the repetition changed nothing')
})

test('a retained command is refused and counted, and one for another gateway does not arrive', async t => {
  const { rig, ops } = await open(t)
  await ops.client.publishAsync(cmd('activate'), '{"model":"null","version":"2"}', {
    qos: 1,
    retain: true,
    properties: { responseTopic: 'quantd-reply/ops/1', correlationData: Buffer.from('r') },
  })
  const refused = await ops.next('quantd-reply/ops/1')
  t.match(body(refused), { code: 'INVALID_ARGUMENT', details: { cause: 'ERR_MQTT_RETAINED' } })
  await ops.client.publishAsync('quantd/gw2/cmd/activate/ops', '{"model":"null","version":"2"}', { qos: 1 })
  await ops.ask(cmd('resume'), '', reply)
  t.same(rig.calls, [])
  t.equal(rig.gateway.counts().commands.retained, 1)
})

test('a command without a reply topic runs; one with another’s reply topic does not', async t => {
  const { rig, ops } = await open(t)
  await ops.client.publishAsync(cmd('activate'), '{"model":"null","version":"2"}', { qos: 0 })
  await until(() => rig.calls.length === 1, 'the command')
  await ops.client.publishAsync(cmd('activate'), '{"model":"null","version":"1"}', {
    qos: 1,
    properties: { responseTopic: 'quantd-reply/app/1', correlationData: Buffer.from('x') },
  })
  await ops.next('quantd/gw1/event/security.rejected')
  t.equal(rig.calls.length, 1)
})

test('strict gateways demand that a command expires within 300 s', async t => {
  const { ops } = await open(t, { config: { mqtt: { require_command_expiry: true } } })
  t.match(body(await ops.ask(cmd('resume'), '{}', reply)), { details: { cause: 'ERR_MQTT_EXPIRY' } })
  t.match(body(await ops.ask(cmd('resume'), '{}', { ...reply, messageExpiryInterval: 301 })), { code: 'INVALID_ARGUMENT' })
  t.match(body(await ops.ask(cmd('resume'), '{}', { ...reply, messageExpiryInterval: 300 })), { state: 'online' })
})

test('drain answers what runs, refuses what comes, shows in the status, and resume ends it', async t => {
  const { rig, ops } = await open(t)
  await rig.models.add('slow', { latencyMs: 100 })
  const octets = { contentType: 'application/octet-stream', ...reply }
  const running = ops.ask('quantd/gw1/infer/slow/ops', Buffer.alloc(4), octets)
  await until(() => rig.serving.figures().inFlight === 1, 'a request in flight')
  const drained = ops.ask(cmd('drain'), '{}', reply)
  await until(() => rig.serving.figures().draining, 'draining')
  t.match(body(await ops.ask('quantd/gw1/infer/slow/ops', Buffer.alloc(4), octets)), { code: 'NOT_READY', status: 503 })
  t.equal((await running).properties.status, '200')
  t.match(body(await drained), { state: 'draining' })
  await ops.next('quantd/gw1/status', ({ text }) => text.includes('"draining"'))
  await ops.ask(cmd('resume'), '{}', reply)
  t.equal((await ops.ask('quantd/gw1/infer/slow/ops', Buffer.alloc(4), octets)).properties.status, '200')
  await until(() => body(ops.last('quantd/gw1/status')!).state === 'online', 'online again')
})
