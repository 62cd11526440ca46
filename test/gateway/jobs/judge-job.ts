import { test } from 'tap'
import { judgeStale } from '../../../src/gateway/jobs/judge-stale.js'
import { demoBundle, openSite, siteRequests, testDevice } from '../../fixtures/gateway/site.js'

const model = 'fashion-resnet'
const otherDevice = { ...testDevice, features: ['avx2', 'avx512_vnni'] }

test('on another processor the active version is judged again: it stays while it holds, float answers when it does not', async t => {
  const folder = t.testdir()
  const first = await openSite(t, folder)
  const loaded = await first.models.load(demoBundle)
  await first.capture.configure(model, { ...loaded.manifest.capture, mode: 'on' })
  for (const request of await siteRequests(loaded, 170)) await first.serve(model, request)
  const start = { kind: 'requantize', model, request: { model, samples: 60, max_drop: 0.05 }, trigger: 'cli', caller: 'cli' } as const
  t.match(await first.ended((await first.jobs.start(start)).job_id), { state: 'succeeded', version: '2' })
  await judgeStale(first.models, first.jobs)
  t.equal(first.jobs.list().length, 1, 'the same processor: nothing to judge')
  await first.close()

  const second = await openSite(t, folder, { device: otherDevice })
  await second.models.restore()
  t.same(second.models.stale(), [{ model, version: '2' }])
  await judgeStale(second.models, second.jobs)
  const again = await second.ended(second.jobs.list().at(-1)!.job_id)
  t.match(again, { kind: 'judge', trigger: 'daemon', state: 'succeeded', version: '2', metrics: { items: 110, ratio: 0.5 } })
  t.match(second.models.get(model), { active: '2', why: '' })
  t.same(second.models.stale(), [])
  await second.close()

  const third = await openSite(t, folder, { timesUs: [100, 120] })
  await third.models.restore()
  await judgeStale(third.models, third.jobs)
  const slow = await third.ended(third.jobs.list().at(-1)!.job_id)
  t.match(slow, { state: 'rejected', sentence: /not faster than float: .*; float answers$/ })
  t.match(third.models.get(model), { active: '1', versions: [{}, { judgement: { verdict: 'refused' } }] })
})

test('where float answers there is nothing to judge', async t => {
  const site = await openSite(t, t.testdir())
  await site.models.load(demoBundle)
  const { job_id } = await site.jobs.start({ kind: 'judge', model, request: { model }, trigger: 'daemon', caller: 'daemon' })
  t.match(await site.ended(job_id), { state: 'succeeded', sentence: /nothing to judge/ })
})
