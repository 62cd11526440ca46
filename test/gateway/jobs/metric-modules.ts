import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { RequantizeRequest } from '../../../src/gateway/jobs/requantize-request.js'
import { formatNpz } from '../../../src/samples/write-npz.js'
import { demoBundle, openSite } from '../../fixtures/gateway/site.js'

const model = 'fashion-resnet'
const request = { model, source: 'bundle', samples: 10 }
const job = { kind: 'requantize', model, request, trigger: 'mqtt', caller: 'test' } as const

/** Says that it ran, by what it finds. */
const metric = `export default { name: 'mine', kind: 'share', needsLabels: false, start: () => ({ add: () => 0.5, value: () => 0.5 }) }`

function bundleWith(t: Test, manifest: object, more: Record<string, string> = {}): { readonly bundle: string; readonly state: string } {
  const folder = t.testdir({ state: {}, bundle: { 'model.json': JSON.stringify({ name: model, ...manifest }), ...more } })
  const bundle = join(folder, 'bundle')
  copyFileSync(join(demoBundle, `${model}.onnx`), join(bundle, `${model}.onnx`))
  const pixels = Uint8Array.from({ length: 30 * 784 }, (_, index) => (index * 7919) % 251)
  const input = { dtype: 'float32', shape: [30, 1, 28, 28], data: Float32Array.from(pixels, value => value / 255) } as const
  writeFileSync(join(bundle, 'calibration.npz'), formatNpz({ input }))
  return { bundle, state: join(folder, 'state') }
}

test('code that a bundle brings does not run in the daemon', async t => {
  const { bundle, state } = bundleWith(t, { metric: './mine.mjs' }, { 'mine.mjs': metric })
  const site = await openSite(t, state)
  await site.models.load(bundle)
  const ended = await site.ended((await site.jobs.start(job)).job_id)
  t.match(ended, { state: 'failed', error: { code: 'ERR_QUANT_METRIC_MODULE', message: /jobs\.metric_modules/ } })
})

test('it does where the configuration says so', async t => {
  const { bundle, state } = bundleWith(t, { metric: './mine.mjs' }, { 'mine.mjs': metric })
  const site = await openSite(t, state, { metricModules: true })
  await site.models.load(bundle)
  const ended = await site.ended((await site.jobs.start(job)).job_id)
  t.match(ended.metrics, { metric: 'mine', float: 0.5, int8: 0.5 })
})

test('a bundle whose metric nobody knows is not loaded', async t => {
  for (const [manifest, code] of [
    [{ metric: 'tpo1' }, 'ERR_QUANT_METRIC'],
    [{ metrics: [{ name: '../state/mine.mjs', max_drop: 0.1 }] }, 'ERR_QUANT_METRIC_MODULE'],
  ] as const) {
    const { bundle, state } = bundleWith(t, manifest)
    const site = await openSite(t, state)
    await t.rejects(site.models.load(bundle), { code })
    await site.close()
  }
})

test('a command names metrics of the catalog, never code', async t => {
  for (const name of ['auto', 'top1', 'topk:5', 'f1:0.3']) t.match(RequantizeRequest.parse({ model, metric: name }), { metric: name })
  for (const name of ['./mine.mjs', '/tmp/mine.mjs', 'mine.mjs', 'file:///tmp/mine.mjs', 'tpo1', '']) {
    const { success, error } = RequantizeRequest.safeParse({ model, metric: name })
    t.notOk(success, name)
    t.match(error?.message, /expected auto or one of/)
  }
})
