import { type Test, test } from 'tap'
import { ServingQueue } from '../../../src/gateway/serving/serving-queue.js'
import { ask, servingOf, told } from '../../fixtures/gateway/asking.js'
import { type SecondDevice, secondId, startSecondDevice, versionOn } from '../../fixtures/gateway/second-device.js'
import { demoBundle, openSite, type Site, siteRequests } from '../../fixtures/gateway/site.js'
import { defaultLimits } from '../../fixtures/mqtt/rig.js'

const model = 'fashion-resnet'

function route({ models }: Site): { readonly version: string; readonly device: string } {
  const { route, release } = models.acquire(model)
  release()
  return { version: route.version, device: route.device }
}

/** A site with a second device, and a version there that answers. */
async function openWithSecond(t: Test, folder = t.testdir()): Promise<{ site: Site; second: SecondDevice; version: string }> {
  const site = await openSite(t, folder)
  const second = await startSecondDevice(t)
  site.devices.add(second)
  await site.models.load(demoBundle)
  const version = await versionOn(site, secondId)
  await site.models.activate(model, version)
  return { site, second, version }
}

test('kill -9 of the worker of a second device loses no request: float answers on the first until it is back', async t => {
  const { site, second, version } = await openWithSecond(t)
  t.same(route(site), { version, device: secondId })
  const serving = servingOf(site)
  const before = await ask(site, serving)
  t.match(before, { kind: 'answer', version, device: secondId })
  const away = told(site, ({ why }) => why !== '')
  const home = away.then(() => told(site, ({ why }) => why === ''))
  const asked = Array.from({ length: 12 }, () => ask(site, serving))
  while (second.worker.figures().inFlight === 0) await new Promise(setImmediate)
  second.kill()
  const outcomes = await Promise.all(asked)
  t.same(
    outcomes.filter(({ kind }) => kind !== 'answer'),
    [],
  )
  t.ok(outcomes.some(outcome => outcome.kind === 'answer' && outcome.device === 'cpu0'))
  t.match(await away, { active: version, state: 'ready', why: /second0: its worker died and is started again: version 1 answers/ })
  await home
  t.match(await ask(site, serving), { kind: 'answer', version, device: secondId }, 'traffic returns')
})

test('what the engine of a second device fails on is answered by the first', async t => {
  const { site, second } = await openWithSecond(t)
  const serving = servingOf(site)
  second.refuse('infer')
  t.match(await ask(site, serving), { kind: 'answer', version: '1', device: 'cpu0' })
  t.equal(serving.figures().retried, 1)
  const named = await ask(site, serving, { version: '2' })
  t.match(named, { kind: 'refusal' }, 'who names the version wants no other')
})

test('a device that does not answer is asked no more once its stand-in had to, until it does', async t => {
  const { site, second, version } = await openWithSecond(t)
  const serving = servingOf(site)
  t.match(await ask(site, serving), { kind: 'answer', version })
  const away = told(site, ({ why }) => why !== '')
  second.signal('SIGSTOP')
  const asked = Array.from({ length: 6 }, () => ask(site, serving))
  t.same(
    (await Promise.all(asked)).map(outcome => outcome.kind === 'answer' && outcome.device),
    asked.map(() => 'cpu0'),
    'also those that waited behind the ones it hangs on',
  )
  t.match(await away, { active: version, why: /second0: it does not answer: version 1 answers/ })
  const started = performance.now()
  t.match(await ask(site, serving), { kind: 'answer', device: 'cpu0' })
  t.ok(performance.now() - started < 1_000, 'without waiting for it again')
  const home = told(site, ({ why }) => why === '')
  second.signal('SIGCONT')
  await home
  t.match(await ask(site, serving), { kind: 'answer', version, device: secondId })
  t.match(serving.figures(), { received: 9, answered: 9, refused: 0, inFlight: 0, queued: 0 })
})

test('an inference that never ends costs its process, although that answers pings', async t => {
  const { site, second, version } = await openWithSecond(t)
  const serving = new ServingQueue({
    models: site.models,
    worker: id => site.devices.get(id)?.worker,
    limits: () => ({ ...defaultLimits, timeoutMs: 1_200 }),
    health: site.models,
  })
  const before = second.worker.figures().pid
  second.hang('infer')
  const away = told(site, ({ why }) => /its worker died/.test(why))
  t.match(await ask(site, serving), { kind: 'answer', version: '1', device: 'cpu0' })
  const home = away.then(() => told(site, ({ why }) => why === ''))
  await away
  second.hang()
  await home
  t.not(second.worker.figures().pid, before)
  t.match(await ask(site, serving), { kind: 'answer', version, device: secondId })
})

test('a version that its engine fails on again and again is closed, and opened again later', async t => {
  const { site, second, version } = await openWithSecond(t)
  const serving = servingOf(site)
  const { route: held, release } = site.models.acquire(model)
  release()
  second.refuse('infer')
  const away = told(site, ({ why }) => why !== '')
  for (let request = 0; request < 3; request += 1) t.match(await ask(site, serving), { kind: 'answer', version: '1', device: 'cpu0' })
  t.match(await away, { active: version, state: 'ready', why: /version 2 fails on second0 \(std::bad_alloc\): version 1 answers/ })
  t.match(await ask(site, serving), { kind: 'answer', device: 'cpu0' })
  t.equal(serving.figures().retried, 3, 'the fourth was not tried there')
  const home = told(site, ({ why }) => why === '')
  second.refuse()
  await home
  const after = site.models.acquire(model)
  after.release()
  t.not(after.route.key, held.key)
  t.match(await ask(site, serving), { kind: 'answer', version, device: secondId })
})

test('requests that are themselves wrong take nothing out of service', async t => {
  const { site, version } = await openWithSecond(t)
  const serving = servingOf(site)
  const wrong = { model, caller: 'app', priority: 1, contentType: 'application/octet-stream', body: Buffer.alloc(3) } as const
  for (let request = 0; request < 5; request += 1)
    t.match(await serving.infer(wrong), { kind: 'refusal', error: { code: 'SHAPE_MISMATCH' } })
  t.equal(serving.figures().retried, 0)
  t.match(await ask(site, serving), { kind: 'answer', version, device: secondId })
})

test('a version whose device is not there at the start is stood in for, and answers once the device is added', async t => {
  const folder = t.testdir()
  const first = await openWithSecond(t, folder)
  await first.site.close()
  const site = await openSite(t, folder)
  await site.models.restore()
  t.match(site.models.get(model), { active: '2', state: 'ready', why: /cannot be opened on second0 .*not there\): version 1 answers/ })
  t.same(route(site), { version: '1', device: 'cpu0' })
  const home = told(site, ({ why }) => why === '')
  site.devices.add(await startSecondDevice(t))
  t.match(await home, { active: '2', why: '' })
  t.same(route(site), { version: '2', device: secondId })
})

test('what runs on a device that is not there cannot be activated', async t => {
  const folder = t.testdir()
  const { site: first } = await openWithSecond(t, folder)
  await first.models.activate(model, '1')
  await first.close()
  const site = await openSite(t, folder)
  await site.models.restore()
  await t.rejects(site.models.activate(model, '2'), { code: 'ERR_MODEL_DEVICE' })
  await t.rejects(site.models.rollback(model), { code: 'ERR_MODEL_DEVICE' })
  t.match(site.models.get(model), { active: '1', state: 'ready', why: '' })
})

test('a device whose engine refuses after a loss is tried again until it takes the version', async t => {
  const { site, second, version } = await openWithSecond(t)
  const refused = told(site, ({ why }) => /std::bad_alloc/.test(why))
  second.refuse('open')
  // What is open dies with the process, and its successor is told to forget it: the library is gone.
  const { route: held, release } = site.models.acquire(model)
  release()
  await second.worker.call('close', { key: held.key }, { timeoutMs: 5_000 })
  t.same(route(site), { version: '1', device: 'cpu0' }, 'seen at the next request, without any event')
  t.match(await refused, { active: version, why: /cannot be opened on second0/ })
  const home = told(site, ({ why }) => why === '')
  second.refuse()
  await home
  t.same(route(site), { version, device: secondId })
})

test('versions in two workers are timed in turn, and only what serves stays open', async t => {
  const { site, second } = await openWithSecond(t)
  const [request] = await siteRequests(site.models.get(model), 1)
  const other = await versionOn(site, secondId)
  const times = await site.models.compare(model, ['1', other], request!, 10)
  t.same(
    times.map(list => list.length),
    [10, 10],
  )
  t.ok(times.flat().every(us => us > 0))
  t.match(site.models.opened(model, other), { ms: Number, memoryMiB: Number })
  await site.models.close()
  const open = async ({ worker }: Pick<SecondDevice, 'worker'>) => (await worker.call('stats', {}, { timeoutMs: 5_000 })).meta.keys.length
  t.equal(await open(second), 1, 'the active one')
  t.equal(await open(site), 1, 'float, which stands in')
})
