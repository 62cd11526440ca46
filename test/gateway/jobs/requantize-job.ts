import { copyFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import type { Job } from '../../../src/gateway/jobs/job.js'
import { formatNpz } from '../../../src/samples/write-npz.js'
import { demoBundle, openSite, type Site, siteRequests } from '../../fixtures/gateway/site.js'

const model = 'fashion-resnet'
const start = (site: Site, request: Record<string, unknown> = {}) =>
  site.jobs.start({ kind: 'requantize', model, request: { model, samples: 60, ...request }, trigger: 'cli', caller: 'test' })

/** A site that serves the demo's model and has answered `count` requests. */
async function openServing(
  site: Site,
  { bundle = demoBundle, count, labels = true }: { bundle?: string; count: number; labels?: boolean },
) {
  const loaded = await site.models.load(bundle)
  await site.capture.configure(model, { ...loaded.manifest.capture, mode: 'on' })
  const requests = await siteRequests(loaded, count)
  for (const request of requests) {
    await site.serve(model, request)
    if (labels) await site.capture.label(model, request.id, request.label)
  }
  return requests
}

test('requests served by float are captured, calibrated on, and answered by int8 afterwards', async t => {
  const site = await openSite(t, t.testdir())
  const [request] = await openServing(site, { count: 200 })
  const told: Job[] = []
  site.jobs.on(job => told.push(job))
  const { job_id } = await start(site)
  t.match(site.jobs.get(job_id), { state: 'running' })
  await t.rejects(start(site), { code: 'ERR_JOB_BUSY', details: { job_id } }, 'one job of a model at a time')
  const job = await site.ended(job_id)
  t.match(job, { state: 'succeeded', progress: 1, version: '2', metrics: { metric: 'top1', items: 140, calibration: 60 } })
  t.match(job.sentence, /^int8 keeps the accuracy: .*; [\d.]+ times as fast/)
  t.same(
    told.map(({ rev }) => rev),
    told.map((_, index) => index + 1),
    'revisions rise by one',
  )
  const record = site.models.get(model)
  t.match(record, { active: '2', previous: '1', state: 'ready' })
  t.match(record.versions[1], { kind: 'int8', state: 'active', samples: 60, judgement: { verdict: 'accepted', timing: { rounds: 101 } } })
  t.equal((await site.serve(model, request!)).version, '2')
  t.same(readdirSync(join(site.store.folder, 'jobs')), [], 'the scratch folder is gone')
})

test('int8 that was calibrated on samples of another world is rejected, kept, and does not answer', async t => {
  const folder = t.testdir({ bundle: {}, state: {} })
  const bundle = join(folder, 'bundle')
  for (const file of ['model.json', 'fashion-resnet.onnx']) copyFileSync(join(demoBundle, file), join(bundle, file))
  // Black pictures: the ranges that follow from them clip every real one.
  writeFileSync(
    join(bundle, 'calibration.npz'),
    formatNpz({ input: { dtype: 'uint8', shape: [30, 1, 28, 28], data: new Uint8Array(30 * 784) } }),
  )
  const site = await openSite(t, join(folder, 'state'))
  const [request] = await openServing(site, { bundle, count: 160 })
  const { job_id } = await start(site, { source: 'bundle' })
  const job = await site.ended(job_id)
  t.match(job, { state: 'rejected', version: '2', metrics: { items: 160 } })
  t.match(job.sentence, /^int8 loses too much accuracy: top1 .* in float/)
  t.match(site.models.get(model), { active: '1', versions: [{}, { state: 'refused', judgement: { verdict: 'refused' } }] })
  t.equal((await site.serve(model, request!)).version, '1')
  await t.rejects(site.models.activate(model, '2'), { code: 'ERR_MODEL_REFUSED' })
  t.match(await site.models.pin(model, { pinned: true, version: '2' }), { active: '2', pinned: true }, 'an operator may insist')
})

test("what was judged on the bundle's own samples waits for an operator", async t => {
  const site = await openSite(t, t.testdir())
  await openServing(site, { count: 1 })
  const job = await site.ended((await start(site, { source: 'bundle' })).job_id)
  t.match(job, { state: 'succeeded', version: '2' })
  t.match(job.sentence, /^prepared, not activated, since the judge had samples of the bundle only/)
  t.match(site.models.get(model), { active: '1', versions: [{}, { state: 'candidate' }] })
})

test('with too few samples int8 is prepared, not activated; with none the job fails', async t => {
  const site = await openSite(t, t.testdir())
  await openServing(site, { count: 40, labels: false })
  const job = await site.ended((await start(site)).job_id)
  t.match(job, { state: 'succeeded', version: '2', metrics: { items: 20 } })
  t.match(job.sentence, /^prepared, not activated: only 20 of 100/)
  t.match(site.models.get(model), { active: '1', versions: [{}, { state: 'candidate', judgement: { verdict: 'unjudged' } }] })
  await site.capture.erase(model)
  t.match(await site.ended((await start(site)).job_id), { state: 'failed', error: { code: 'ERR_JOB_SAMPLES' } })
})

test('a pinned version stays, and so does everything when activation is manual; the same samples give the same bytes', async t => {
  const site = await openSite(t, t.testdir())
  await openServing(site, { count: 160 })
  const manual = await site.ended((await start(site, { activate: 'manual', max_drop: 0.05 })).job_id)
  t.match(manual, { state: 'succeeded', version: '2', sentence: /^ready to be activated: int8 keeps/ })
  t.match(site.models.get(model), { active: '1' })
  await site.models.pin(model, { pinned: true })
  const pinned = await site.ended((await start(site, { max_drop: 0.05 })).job_id)
  t.match(pinned, { state: 'succeeded', version: '3', sentence: /active version is pinned/ })
  t.match(site.models.get(model), { active: '1', pinned: true })
  const [, first, second] = site.models.get(model).versions
  t.equal(first?.artifact, second?.artifact)
  t.match(await site.models.activate(model, '3'), { active: '3', previous: '1', pinned: true })
})

test('cancelling kills the worker and leaves no trace but the job', async t => {
  const site = await openSite(t, t.testdir())
  await openServing(site, { count: 160 })
  const { job_id } = await start(site)
  const running = new Promise<void>(resolve => {
    site.jobs.on(job => {
      if (job.stage === 'capture' || job.stage === 'calibrate') resolve()
    })
  })
  await running
  t.match(await site.jobs.cancel(job_id), { state: 'cancelled', sentence: 'cancelled by the operator' })
  t.match(site.models.get(model).versions, [{ version: '1' }])
  t.same(readdirSync(join(site.store.folder, 'jobs')), [])
  t.match(await site.jobs.cancel(job_id), { state: 'cancelled' }, 'twice is once')
})

test('int8 that is not faster than float is rejected, whatever its accuracy', async t => {
  const site = await openSite(t, t.testdir(), { timesUs: [100, 99] })
  await openServing(site, { count: 160 })
  const job = await site.ended((await start(site, { max_drop: 0.05 })).job_id)
  t.match(job, { state: 'rejected', sentence: /^int8 is not faster than float: .* ratio 0.99/ })
  t.match(site.models.get(model), { active: '1', versions: [{}, { state: 'refused' }] })
})
