import { join } from 'node:path'
import { test } from 'tap'
import { fastestAccepted } from '../../../src/gateway/jobs/choice.js'
import type { Judgement } from '../../../src/quantization/report/report.js'
import { reportFixture } from '../../fixtures/gateway/report.js'
import { type SecondDevice, secondId, startSecondDevice } from '../../fixtures/gateway/second-device.js'
import { demoBundle, openSite, type Site, siteRequests } from '../../fixtures/gateway/site.js'

const model = 'fashion-resnet'

/** Has the demo's model quantized for everything that serves. */
async function requantized(site: Site) {
  const loaded = await site.models.load(demoBundle)
  await site.capture.configure(model, { ...loaded.manifest.capture, mode: 'on' })
  for (const captured of await siteRequests(loaded, 155)) await site.serve(model, captured)
  const body = { model, samples: 50, max_drop: 0.05, scheme: 'symmetric', range_estimator: 'min-max' }
  const { job_id } = await site.jobs.start({ kind: 'requantize', model, request: body, trigger: 'cli', caller: 'test' })
  return site.ended(job_id)
}

const named = (second: SecondDevice, name: string): SecondDevice => ({ ...second, engine: { name, version: '1' } })

test('the fastest accepted form answers, the best one of the reference stands in, and the table tells what each reached', async t => {
  const timesUs = { 2: 60, 3: 40, 4: 99 } as Readonly<Record<string, number>>
  const site = await openSite(t, t.testdir(), { timesUs: version => [100, timesUs[version]!] })
  site.devices.add(await startSecondDevice(t))
  const job = await requantized(site)
  t.match(job, {
    state: 'succeeded',
    version: '3',
    sentence: /is the fastest allowed, before .* 0\.60 of the time of float; .* 0\.99 .*, refused/,
  })
  t.match(job.candidates, [
    { version: '1', device: 'cpu0', precision: 'float32', ratio: 1, ms: 0.1, drop: 0, verdict: 'reference', chosen: false },
    { version: '2', device: 'cpu0', precision: 'int8', ratio: 0.6, ms: 0.06, verdict: 'accepted', chosen: false },
    { version: '3', device: secondId, precision: 'int8', ratio: 0.4, verdict: 'accepted', chosen: true },
    { version: '4', device: secondId, precision: 'float32', drop: 0, verdict: 'refused', why: /is not faster than float/, chosen: false },
  ])
  t.match(site.models.get(model), { active: '3', versions: [{}, { state: 'candidate' }, { state: 'active' }, { state: 'refused' }] })
  const { route, release } = site.models.acquire(model, undefined, { avoid: secondId })
  release()
  t.match(route, { version: '2', device: 'cpu0' })
})

test('a form that cannot be made leaves the others to it, and says why', async t => {
  const site = await openSite(t, t.testdir())
  site.devices.add(named(await startSecondDevice(t), 'nonsense'))
  const job = await requantized(site)
  t.match(job, { state: 'succeeded', version: '2' })
  t.match(job.candidates?.slice(2), [
    { version: null, precision: 'int8', verdict: 'failed', why: /^ERR_ENGINE_UNKNOWN/ },
    { version: null, precision: 'float32', verdict: 'failed', why: /^ERR_ENGINE_UNKNOWN/ },
  ])
  t.match(site.models.get(model), { active: '2' })
})

test('where the worker dies of one form, each is made by itself, and the others answer', async t => {
  const folder = t.testdir({ state: {}, 'dies.mjs': 'process.kill(process.pid, "SIGSEGV")' })
  const site = await openSite(t, join(folder, 'state'))
  const second = await startSecondDevice(t)
  site.devices.add({ ...second, env: { NODE_OPTIONS: `--import=${join(folder, 'dies.mjs')}` } })
  const job = await requantized(site)
  t.match(job, { state: 'succeeded', version: '2' })
  t.match(job.candidates, [
    { verdict: 'reference' },
    { version: '2', device: 'cpu0', precision: 'int8', verdict: 'accepted', chosen: true },
    { version: null, device: secondId, precision: 'int8', verdict: 'failed', why: /^ERR_WORKER_GONE: .*SIGSEGV/ },
    { version: null, device: secondId, precision: 'float32', verdict: 'failed', why: /^ERR_WORKER_GONE/ },
  ])
})

test('int8 that is float in truth is refused, in whatever types its file is opened', async t => {
  const site = await openSite(t, t.testdir())
  const second = await startSecondDevice(t)
  const { Gemm } = second.spec.ops
  site.devices.add({ ...second, spec: { ...second.spec, ops: { Gemm: Gemm! } }, precisions: ['bfloat16'] })
  const job = await requantized(site)
  const refused = { verdict: 'refused', chosen: false }
  t.match(job.candidates?.slice(2, 4), [
    { ...refused, device: secondId, precision: 'int8', why: /the result is a float model with some int8 layers/ },
    { ...refused, device: secondId, precision: 'int8+bfloat16', why: /the result is a float model with some int8 layers/ },
  ])
})

/** Held to float on 100 items, and timed. */
const contender = (
  name: string,
  ratio: number,
  { spread = 0.01, drop = 0, memoryMiB = 1, verdict = 'accepted' as Judgement['verdict'] } = {},
) => {
  const timing = { float_us: 100, int8_us: 100 * ratio, ratio, low: ratio - spread, high: ratio + spread, rounds: 101 }
  return { name, memoryMiB, judgement: { ...reportFixture({ verdict }).judgement!, drop, timing } }
}

test('the fastest accepted form wins; one as fast as far as was measured takes its place where it loses less, or takes less memory', async t => {
  const cases: [expected: string | undefined, ...ReturnType<typeof contender>[]][] = [
    [undefined],
    [undefined, contender('a', 0.5, { verdict: 'refused' }), contender('b', 0.5, { verdict: 'unjudged' })],
    ['b', contender('a', 0.5), contender('b', 0.4), contender('c', 0.3, { verdict: 'refused' })],
    ['b', contender('a', 0.5, { drop: 0.001 }), contender('b', 0.51)],
    ['a', contender('a', 0.5, { drop: -0.001, memoryMiB: 1 }), contender('b', 0.51, { memoryMiB: 2 })],
    ['b', contender('a', 0.5, { memoryMiB: 2 }), contender('b', 0.51, { memoryMiB: 1 })],
    ['a', contender('a', 0.5, { drop: 0.001, spread: 0.002 }), contender('b', 0.51, { spread: 0.002 })],
    ['a', contender('a', 0.5, { drop: 0.001, spread: 0.1 }), contender('b', 0.55, { spread: 0.1 })],
  ]
  for (const [expected, ...list] of cases) t.equal(fastestAccepted(list)?.name, expected, list.map(({ name }) => name).join())
})
