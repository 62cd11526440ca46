import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { callCommand } from '../../../src/gateway/commands/call-command.js'
import { commands, findCommand } from '../../../src/gateway/commands/catalog.js'
import type { Services } from '../../../src/gateway/commands/command.js'
import { packageRoot } from '../../../src/paths.js'
import { FakeGateway } from '../../fixtures/gateway/fake-gateway.js'
import { demoBundle, openSite, siteRequests, testDevice } from '../../fixtures/gateway/site.js'

const model = 'fashion-resnet'
const sha256 = 'a'.repeat(64)

/** The real services of a gateway without its transports; `done` is what the daemon was asked for. */
async function open(t: Test) {
  const site = await openSite(t, t.testdir())
  const done: unknown[] = []
  const { models, jobs, capture } = site
  const services: Services = {
    models,
    jobs,
    capture,
    serving: new FakeGateway().services.serving,
    devices: () => [testDevice, { ...testDevice, id: 'gpu0', kind: 'webgpu', target: undefined }],
    daemon: {
      drain: async () => void done.push('drain'),
      resume: () => void done.push('resume'),
      reloadConfig: async () => ({ restart_required: ['http.listen'] }),
      fetchBundle: async source => {
        done.push(source)
        return demoBundle
      },
    },
  }
  const call = { caller: 'ops', trigger: 'mqtt', signal: new AbortController().signal } as const
  const send = (verb: string, body: object = {}, id?: string) =>
    callCommand({ commands, services, verb, body, call: id === undefined ? call : { ...call, id } })
  return { ...site, site, done, send }
}

test('every verb stands in a file of its name and in the catalog', async t => {
  const machinery = ['call-command', 'catalog', 'command', 'device-pattern', 'errors']
  const files = readdirSync(join(packageRoot, 'src/gateway/commands')).map(file => file.replace(/\.ts$/, ''))
  t.same(
    commands.map(({ verb }) => verb),
    files.filter(file => !machinery.includes(file)).sort(),
  )
  t.equal(findCommand('drain')?.verb, 'drain')
  t.equal(findCommand('dance'), undefined)
})

test('an unknown key or a wrong value is refused by its name before anything happens', async t => {
  const { send, done } = await open(t)
  for (const [verb, body, named] of [
    ['load', { sha256, url: 'http://plain' }, /url/],
    ['load', { sha256: 'short' }, /sha256/],
    ['load', { sha256, name: '../up' }, /name/],
    ['activate', { model, version: 3 }, /version/],
    ['requantize', { model, max_drop: 2 }, /max_drop/],
    ['requantize', { model, color: 'red' }, /color/],
    ['requantize', { model, devices: [] }, /devices/],
    ['capture', { model, mode: 'maybe' }, /mode/],
    ['capture', { model, max_mb: -1 }, /max_mb/],
    ['cancel', {}, /job_id/],
    ['drain', { now: true }, /now/],
    ['log-level', { level: 'loud' }, /level/],
  ] as const) {
    await t.rejects(send(verb, body), { code: 'ERR_REQUEST_BODY', message: named }, `${verb} ${JSON.stringify(body)}`)
  }
  await t.rejects(send('dance'), { code: 'ERR_REQUEST_VERB' })
  t.same(done, [])
})

test('a model is loaded by hash, shown, set to capture, and unloaded', async t => {
  const { send, done, site } = await open(t)
  t.match(await send('load', { sha256, url: 'https://models.example/m.tar' }), { name: model, active: '1' })
  t.same(done, [{ sha256, url: 'https://models.example/m.tar' }])
  t.match(await send('models'), { models: [{ name: model, capture: { mode: 'off', samples: 0 } }] })
  t.match(await send('capture', { model, mode: 'on', max_mb: 5 }), { model, mode: 'on' })
  t.match(site.models.get(model).manifest.capture, { mode: 'on', max_mb: 5, max_samples: 1600 }, 'what is left out stays')
  const [request] = await siteRequests(site.models.get(model), 1)
  await site.serve(model, request!)
  t.match(await send('capture', { model }), { mode: 'on' })
  t.same(await send('erase', { model }), { model, erased: 1 })
  t.same(await send('unload', { model }), { model, state: 'unloaded' })
  await t.rejects(send('capture', { model, mode: 'off' }), { code: 'ERR_MODEL_UNKNOWN' })
})

test('unloading a model ends its jobs first', async t => {
  const { send, site } = await open(t)
  await send('load', { sha256 })
  await send('capture', { model, mode: 'on' })
  for (const request of await siteRequests(site.models.get(model), 12)) await site.serve(model, request)
  const { job_id } = (await send('requantize', { model })) as { job_id: string }
  t.same(await send('unload', { model }), { model, state: 'unloaded' })
  t.match(await send('jobs', { job_id }), { jobs: [{ state: 'cancelled' }] })
  await t.rejects(send('unload', { model }), { code: 'ERR_MODEL_UNKNOWN' })
})

test('requantize and bench answer with a job, the same one for the same id, for a device that serves', async t => {
  const { send, site } = await open(t)
  const id = 'f57613ef-a25c-416d-a011-d7fe9659d800'
  await t.rejects(send('requantize', { model }), { code: 'ERR_MODEL_UNKNOWN' })
  await send('load', { sha256 })
  await t.rejects(send('requantize', { model, devices: ['gpu*'] }), { code: 'ERR_COMMAND_DEVICE', details: { devices: ['cpu0'] } })
  await t.rejects(send('requantize', { model, devices: ['cp.0'] }), { code: 'ERR_COMMAND_DEVICE' })
  t.match(await send('requantize', { model, devices: ['cpu*'] }, id), { job_id: id })
  t.match(await send('requantize', { model }, id), { job_id: id })
  await site.ended(id)
  t.match(await send('jobs', { job_id: id }), {
    jobs: [{ job_id: id, caller: 'ops', trigger: 'mqtt', state: 'failed', error: { code: 'ERR_JOB_SAMPLES' } }],
  })
  t.match(await send('cancel', { job_id: id }), { job: { state: 'failed' } })
  t.match(await send('jobs', { model: 'other' }), { jobs: [] })
  const { job_id } = (await send('bench', { model, seconds: 1 })) as { job_id: string }
  t.match(await site.ended(job_id), { kind: 'bench', state: 'failed', error: { code: 'ERR_JOB_SAMPLES' } }, 'no int8 version yet')
})

test('the daemon is drained, resumed and reloaded', async t => {
  const { send, done } = await open(t)
  t.same(await send('drain'), { state: 'draining' })
  t.same(await send('resume'), { state: 'online' })
  t.same(done, ['drain', 'resume'])
  t.same(await send('reload-config'), { restart_required: ['http.listen'] })
  t.match(await send('devices'), { devices: [{ id: 'cpu0' }, { id: 'gpu0' }] })
})

test('pin holds a version against jobs until it is taken away', async t => {
  const { send } = await open(t)
  await send('load', { sha256 })
  t.match(await send('pin', { model }), { active: '1', pinned: true })
  t.match(await send('pin', { model, pinned: false }), { active: '1', pinned: false })
  await t.rejects(send('pin', { model, version: '9' }), { code: 'ERR_MODEL_VERSION' })
  await t.rejects(send('rollback', { model }), { code: 'ERR_MODEL_PREVIOUS' })
  t.match(await send('activate', { model, version: '1' }), { active: '1' })
})
