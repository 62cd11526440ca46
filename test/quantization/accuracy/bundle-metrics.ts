import { join } from 'node:path'
import { type Test, test } from 'tap'
import { loadBundleMetrics, moduleFiles } from '../../../src/quantization/accuracy/bundle-metrics.js'
import { QuantizeSettings } from '../../../src/quantization/settings.js'
import { readBundle } from '../../../src/samples/bundle.js'

const module = (name: string) =>
  `export default { name: '${name}', kind: 'share', needsLabels: false, start: () => ({ add: () => 1, value: () => 1 }) }`
const forbiddenCode = "throw new Error('this must not run')"

const bundleOf = (t: Test, manifest: object, files: Record<string, string> = {}) =>
  readBundle(
    t.testdir({ outside: { 'x.mjs': forbiddenCode }, bundle: { 'm.onnx': '', 'model.json': JSON.stringify(manifest), ...files } }) +
      '/bundle',
  )

const settings = (given: object = {}) => QuantizeSettings.parse(given)

test('modules of the bundle are loaded where the operator allows it', async t => {
  const metrics = [
    { name: 'second.mjs', max_drop: 0.1 },
    { name: 'cosine', max_drop: 0.1 },
  ]
  const bundle = await bundleOf(t, { metric: './first.mjs', metrics }, { 'first.mjs': module('first'), 'second.mjs': module('second') })
  const loaded = await loadBundleMetrics({ bundle, settings: settings({ metrics }), modules: 'allowed' })
  t.same(
    [...loaded].map(([name, metric]) => [name, metric.name]),
    [
      ['./first.mjs', 'first'],
      ['second.mjs', 'second'],
    ],
  )
})

test('their code does not run unasked, nor where it is not needed', async t => {
  const bundle = await bundleOf(t, { metric: './first.mjs' }, { 'first.mjs': forbiddenCode })
  await t.rejects(loadBundleMetrics({ bundle, settings: settings(), modules: 'forbidden' }), {
    code: 'ERR_QUANT_METRIC_MODULE',
    message: /jobs\.metric_modules/,
  })
  for (const modules of ['forbidden', 'allowed'] as const) {
    t.equal((await loadBundleMetrics({ bundle, settings: settings({ metric: 'top1' }), modules })).size, 0, modules)
  }
})

test('a module lies in the bundle and is named as its files are', async t => {
  for (const metric of [
    '../outside/x.mjs',
    './../outside/x.mjs',
    join(t.testdirName, 'outside/x.mjs'),
    './none.mjs',
    'file:///etc/x.mjs',
  ]) {
    const bundle = await bundleOf(t, { metric })
    await t.rejects(
      loadBundleMetrics({ bundle, settings: settings(), modules: 'allowed' }),
      { code: 'ERR_QUANT_METRIC_MODULE', message: /no file of the bundle/ },
      metric,
    )
  }
})

test('metrics of model.json that nobody knows are refused', async t => {
  for (const manifest of [{ metric: 'tpo1' }, { metrics: [{ name: 'tpo1', max_drop: 0.1 }] }]) {
    const bundle = await bundleOf(t, manifest)
    t.throws(() => moduleFiles(bundle), { code: 'ERR_QUANT_METRIC', message: /did you mean 'top1'/ })
  }
})
