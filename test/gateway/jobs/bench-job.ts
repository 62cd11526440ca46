import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { reportFixture } from '../../fixtures/gateway/report.js'
import { demoBundle, openSite, siteRequests } from '../../fixtures/gateway/site.js'

const model = 'fashion-resnet'

test('float and an int8 version are timed in turn on a captured request', async t => {
  const site = await openSite(t, t.testdir())
  const loaded = await site.models.load(demoBundle)
  const bench = async (request: object = {}) => {
    const { job_id } = await site.jobs.start({
      kind: 'bench',
      model,
      request: { model, seconds: 1, ...request },
      trigger: 'cli',
      caller: 'cli',
    })
    return site.ended(job_id)
  }
  t.match(await bench(), { state: 'failed', error: { code: 'ERR_JOB_SAMPLES' } }, 'nothing to time yet')
  const report = join(site.store.folder, 'report.json')
  writeFileSync(report, JSON.stringify(reportFixture()))
  const { version } = await site.models.addVersion(model, { model: join(demoBundle, 'fashion-resnet.onnx'), report })
  t.match(await bench(), { state: 'failed', sentence: /no captured request/ })
  await site.capture.configure(model, { ...loaded.manifest.capture, mode: 'on' })
  const [request] = await siteRequests(loaded, 1)
  await site.serve(model, request!)
  const job = await bench()
  t.match(job, { state: 'succeeded', version, sentence: /^version 2 takes / })
  const { float_us, version_us, rounds } = job.metrics as Record<string, number>
  t.ok(float_us! > 0 && version_us! > 0 && rounds! >= 20)
  t.equal(site.models.get(model).active, '1', 'nothing is activated by it')
})
