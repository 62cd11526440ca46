import { test } from 'tap'
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
