import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import type { ModelEvent } from '../../../src/gateway/models/model.js'
import { reportFixture } from '../../fixtures/gateway/report.js'
import { demoBundle, openSite, type Site, siteRequests, testDevice } from '../../fixtures/gateway/site.js'

const model = 'fashion-resnet'

/** A version that is float itself under another name: what it computes does not matter for what the registry does. */
async function withVersion(site: Site, more: Parameters<typeof reportFixture>[0] = {}): Promise<string> {
  const report = join(site.store.folder, 'report.json')
  writeFileSync(report, JSON.stringify(reportFixture(more)))
  const { version } = await site.models.addVersion(model, { model: join(demoBundle, 'fashion-resnet.onnx'), report })
  return version
}

test('a bundle that is loaded answers with its float version and survives a restart', async t => {
  const folder = t.testdir()
  const first = await openSite(t, folder)
  const events: string[] = []
  first.models.on(event => events.push(event.kind))
  const record = await first.models.load(demoBundle)
  t.match(record, {
    name: model,
    active: '1',
    previous: undefined,
    state: 'ready',
    inputs: [{ name: 'input', dtype: 'float32', shape: ['batch', 1, 28, 28] }],
    outputs: [{ name: 'logits' }],
    versions: [{ version: '1', kind: 'float', state: 'active', device: 'cpu0', engine: 'onnxruntime' }],
  })
  t.same(events, ['changed', 'changed', 'activated'])
  t.same(await first.models.load(demoBundle), record, 'the same bundle again changes nothing')
  await first.close()
  const second = await openSite(t, folder)
  await second.models.restore()
  t.same(second.models.list(), [record])
  const [request] = await siteRequests(record, 1)
  t.match(await second.serve(model, request!), { version: '1', answer: { outputs: [{ name: 'logits', shape: [1, 10] }] } })
})

test('a swap waits for the requests that hold the old session, and rollback finds it open', async t => {
  const site = await openSite(t, t.testdir())
  const record = await site.models.load(demoBundle)
  const [request] = await siteRequests(record, 1)
  const [second, third] = [await withVersion(site), await withVersion(site)]
  const events: ModelEvent[] = []
  site.models.on(event => events.push(event))
  const held = site.models.acquire(model)
  t.match(await site.models.activate(model, second), { active: second, previous: '1' })
  t.match(await site.models.activate(model, third), { active: third, previous: second })
  t.match(
    events.filter(({ kind }) => kind === 'activated'),
    [
      { version: second, from: '1' },
      { version: third, from: second },
    ],
  )
  const infer = async () =>
    site.worker.call(
      'infer',
      { key: held.route.key, contentType: request!.contentType, jsonLength: request!.jsonLength! },
      { body: request!.body, timeoutMs: 10_000 },
    )
  await infer()
  held.release()
  held.release()
  await site.models.close()
  await t.rejects(infer(), { code: 'ERR_WORKER_KEY' }, 'closed once nobody holds it')
  t.throws(() => site.models.acquire(model, '1'), { code: 'ERR_MODEL_VERSION' })
  t.equal(site.models.acquire(model, second).route.version, second, 'the previous one answers when asked for')

  t.match(await site.models.rollback(model), { active: second, previous: third })
  t.match(events.at(-1), { kind: 'rolledback', version: second, from: third })
  t.match(await site.models.rollback(model), { active: third, previous: second }, 'and back again')
  t.equal((await site.serve(model, request!)).version, third)
})

test('what is not there is refused by name', async t => {
  const site = await openSite(t, t.testdir())
  t.throws(() => site.models.get('ghost'), { code: 'ERR_MODEL_UNKNOWN' })
  t.throws(() => site.models.acquire('ghost'), { code: 'ERR_MODEL_UNKNOWN' })
  await t.rejects(site.models.unload('ghost'), { code: 'ERR_MODEL_UNKNOWN' })
  await site.models.load(demoBundle)
  await t.rejects(site.models.activate(model, '7'), { code: 'ERR_MODEL_VERSION' })
  await t.rejects(site.models.rollback(model), { code: 'ERR_MODEL_PREVIOUS' })
  t.throws(() => site.models.acquire(model, '7'), { code: 'ERR_MODEL_VERSION' })
})

test('a refused version needs force, a judgement decides what a version is', async t => {
  const site = await openSite(t, t.testdir())
  await site.models.load(demoBundle)
  const version = await withVersion(site, { verdict: 'refused' })
  await t.rejects(site.models.activate(model, version), { code: 'ERR_MODEL_REFUSED' })
  t.match(await site.models.activate(model, version, { force: true }), { active: version })
  const other = await withVersion(site)
  const { judgement } = reportFixture({ verdict: 'refused' })
  t.match(await site.models.judge(model, other, judgement!), { state: 'refused' })
  const { report } = site.models.paths(model, other)
  t.match(JSON.parse(readFileSync(report!, 'utf8')), { judgement: { verdict: 'refused' } }, 'also in its report')
  t.match(await site.models.judge(model, other, { ...judgement!, verdict: 'accepted' }), { state: 'candidate' })
})

test('unloading removes the model, its files and its sessions', async t => {
  const folder = t.testdir()
  const site = await openSite(t, folder)
  await site.models.load(demoBundle)
  await withVersion(site)
  await site.models.unload(model)
  t.same(site.models.list(), [])
  t.same(readdirSync(join(folder, 'artifacts')), [])
  t.same(readdirSync(join(folder, 'bundles')), [])
  t.same((await site.worker.call('stats', {}, { timeoutMs: 5_000 })).meta.keys, [])
})

test('a new bundle of the same name takes over, one that cannot be read leaves the old one', async t => {
  const folder = t.testdir({ state: {}, next: {}, broken: { [`${model}.onnx`]: 'no model' } })
  const site = await openSite(t, join(folder, 'state'))
  const old = await site.models.load(demoBundle)
  await withVersion(site)
  await t.rejects(site.models.load(join(folder, 'broken'), { name: model }), { code: /^ERR_ONNX_/ })
  t.equal(site.models.get(model).bundle, old.bundle)
  const held = site.models.acquire(model)
  t.equal(held.route.version, '1')
  held.release()
  copyFileSync(join(demoBundle, 'fashion-resnet.onnx'), join(folder, 'next', 'other.onnx'))
  const next = await site.models.load(join(folder, 'next'), { name: model })
  t.match(next, { name: model, active: '1', versions: [{ version: '1' }] })
  t.not(next.bundle, old.bundle)
  t.same(readdirSync(join(folder, 'state/bundles')), [next.bundle])
})

test('a damaged active version falls back to float at the next start and says so', async t => {
  const folder = t.testdir()
  const first = await openSite(t, folder)
  await first.models.load(demoBundle)
  const version = await withVersion(first)
  await first.models.activate(model, version)
  const path = first.models.paths(model, version).model
  await first.close()
  writeFileSync(path, 'rotten')
  const second = await openSite(t, folder)
  await second.models.restore()
  t.match(second.models.get(model), {
    active: '1',
    previous: undefined,
    state: 'ready',
    why: /version 2 cannot be opened .* float answers/,
  })
  await second.close()
  const third = await openSite(t, folder)
  await third.models.restore()
  t.match(third.models.get(model), { active: '1', state: 'ready' }, 'the fall back is in the store')
})

test('a model whose float is gone is failed, the others serve', async t => {
  const folder = t.testdir({ state: {}, other: {} })
  const state = join(folder, 'state')
  const first = await openSite(t, state)
  const { bundle } = await first.models.load(demoBundle)
  copyFileSync(join(demoBundle, 'fashion-resnet.onnx'), join(folder, 'other', 'second.onnx'))
  await first.models.load(join(folder, 'other'))
  await first.close()
  writeFileSync(join(state, 'bundles', bundle, 'fashion-resnet.onnx'), 'rotten')
  const second = await openSite(t, state)
  await second.models.restore()
  t.match(second.models.get(model), { state: 'failed', why: /damaged/ })
  t.throws(() => second.models.acquire(model), { code: 'ERR_MODEL_NOT_READY' })
  t.match(second.models.get('second'), { state: 'ready' })
  t.match(await second.models.load(demoBundle), { state: 'ready' }, 'loading it again heals it')
})

test('after a change of the processor the judgement of the active version is told to be old', async t => {
  const folder = t.testdir()
  const first = await openSite(t, folder)
  await first.models.load(demoBundle)
  await first.models.activate(model, await withVersion(first))
  await first.close()
  const second = await openSite(t, folder, { device: { ...testDevice, features: ['avx2', 'avx512_vnni'] } })
  await second.models.restore()
  t.match(second.models.get(model), { active: '2', state: 'ready', why: /to be judged again/ })
})

test('a version that was made of another float model is not taken', async t => {
  const site = await openSite(t, t.testdir())
  await site.models.load(demoBundle)
  await t.rejects(withVersion(site, { sha256: 'f'.repeat(64) }), { code: 'ERR_MODEL_CHANGED' })
  t.equal(site.models.get(model).versions.length, 1)
})

test('old versions make room for new ones, those that answer stay', async t => {
  const folder = t.testdir()
  const site = await openSite(t, folder)
  await site.models.load(demoBundle)
  await site.models.activate(model, await withVersion(site))
  for (let count = 0; count < 9; count += 1) await withVersion(site)
  const versions = site.models.get(model).versions.map(({ version }) => version)
  t.same(versions, ['1', '2', '6', '7', '8', '9', '10', '11'])
  t.ok(existsSync(site.models.paths(model, '11').report!))
})

test('comparing times both versions in the same rounds and leaves nothing open', async t => {
  const site = await openSite(t, t.testdir())
  const record = await site.models.load(demoBundle)
  const version = await withVersion(site)
  const [request] = await siteRequests(record, 1)
  const times = await site.models.compare(model, ['1', version], request!, 25)
  t.same(
    times.map(list => list.length),
    [25, 25],
  )
  t.ok(times.flat().every(us => us > 0))
  await site.models.close()
  t.equal((await site.worker.call('stats', {}, { timeoutMs: 5_000 })).meta.keys.length, 1)
  await t.rejects(site.models.compare(model, ['1', version], request!, 25, AbortSignal.abort()), { code: 'ERR_ABORTED' })
})

test('a version that the next worker process does not have is opened again, or makes way for float', async t => {
  const site = await openSite(t, t.testdir())
  const record = await site.models.load(demoBundle)
  const [request] = await siteRequests(record, 1)
  const version = await withVersion(site)
  await site.models.activate(model, version)
  /** Takes the active session away behind the registry's back, and the process with it. */
  const lose = async () => {
    const { route, release } = site.models.acquire(model)
    release()
    await site.worker.call('close', { key: route.key }, { timeoutMs: 10_000 })
    const changed = new Promise<void>(resolve => {
      const stop = site.models.on(event => {
        if (event.kind === 'changed') resolve(stop())
      })
    })
    process.kill(site.worker.figures().pid!, 'SIGKILL')
    await changed
  }
  await lose()
  t.match(await site.serve(model, request!), { version })
  writeFileSync(site.models.paths(model, version).model, 'rotten')
  await lose()
  t.match(await site.serve(model, request!), { version: '1' })
  t.match(site.models.get(model), { active: '1', state: 'ready', why: /float answers/ })
})
