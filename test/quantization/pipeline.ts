import { test } from 'tap'
import { onnxruntimeEngine } from '../../src/engines/onnxruntime/engine.js'
import type { Model } from '../../src/graph/graph.js'
import { readModel } from '../../src/graph/onnx/read.js'
import { loadDeviceSpecs } from '../../src/hardware/match.js'
import type { Stage } from '../../src/quantization/contract.js'
import { makeForAll, quantize, quantizeForAll } from '../../src/quantization/pipeline.js'
import { Report } from '../../src/quantization/report/report.js'
import { QuantizeSettings } from '../../src/quantization/settings.js'
import type { SampleSource } from '../../src/samples/sample.js'
import { buildModel, op } from '../fixtures/graph-builder.js'
import { memorySamples } from '../fixtures/quantization/memory-samples.js'
import { attentionNet, depthwiseNet, poisonedNet, residualNet, seededInputs } from '../fixtures/quantization/small-models.js'

interface Options {
  readonly model?: Model
  readonly settings?: Partial<QuantizeSettings>
  readonly samples?: SampleSource
  readonly heldOut?: SampleSource
  readonly spec?: string
  readonly signal?: AbortSignal
  readonly onProgress?: (stage: Stage, share: number) => void
}

async function quantized(options: Options = {}) {
  return quantize(await requestFor(options))
}

async function requestFor({ model = residualNet(), settings = {}, samples, heldOut, spec = 'cpu-x64-vnni', ...rest }: Options = {}) {
  const specs = await loadDeviceSpecs()
  return {
    model,
    sha256: 'f'.repeat(64),
    name: 'small',
    bytes: 1000,
    samples: samples ?? memorySamples(seededInputs(model, 20)),
    heldOut: heldOut ?? memorySamples(seededInputs(model, 100, 500)),
    spec: specs.find(({ name }) => name === spec)!,
    settings: QuantizeSettings.parse(settings),
    engine: onnxruntimeEngine,
    ...rest,
  }
}

test('the same request gives the same bytes, and a report that differs in times and memory alone', async t => {
  for (const net of [residualNet, depthwiseNet, attentionNet]) {
    const [first, second] = [await quantized({ model: net() }), await quantized({ model: net() })]
    t.same(first.bytes, second.bytes)
    const { stages: one, peak_mib: _, algorithms: tried, ...firstReport } = first.report
    const { stages: other, peak_mib: __, algorithms: triedAgain, ...secondReport } = second.report
    t.same(firstReport, secondReport)
    const withoutTimes = (entries: typeof tried) => entries?.map(({ seconds: _, ...entry }) => entry)
    t.same(withoutTimes(tried), withoutTimes(triedAgain))
    t.same(
      one.map(({ stage }) => stage),
      other.map(({ stage }) => stage),
    )
  }
})

test('devices of both kinds are quantized for from one run over the samples', async t => {
  const specs = await loadDeviceSpecs()
  const targets = ['cpu-x64-vnni', 'openvino-cpu', 'cpu-x64'].map(name => ({ spec: specs.find(spec => spec.name === name)! }))
  const results = await quantizeForAll(await requestFor(), targets)
  t.same(
    results.map(({ report }) => report.device),
    ['cpu-x64-vnni', 'openvino-cpu', 'cpu-x64'],
  )
  const observed = results.map(({ report }) => report.stages.some(({ stage }) => stage === 'observe'))
  t.same(observed, [true, false, true], 'half range weights are imported and observed by themselves')
  const alone = await quantized({ spec: 'cpu-x64-vnni' })
  t.same(results[0]!.bytes, alone.bytes)
  for (const { report } of results) t.ok((report.judgement?.snr_db ?? 0) > 20, report.device)
})

test('several devices are judged in one run over the held-out samples, and alone as together', async t => {
  const specs = await loadDeviceSpecs()
  const targets = ['cpu-x64-vnni', 'openvino-cpu'].map(name => ({ spec: specs.find(spec => spec.name === name)! }))
  const items = memorySamples(seededInputs(residualNet(), 100, 500))
  let reads = 0
  const read = (index: number) => {
    reads += 1
    return items.read(index)
  }
  const heldOut = { ...items, read }
  const request = await requestFor({ heldOut })
  const together = await quantizeForAll(request, targets)
  t.equal(reads, 100)
  for (const [index, { spec }] of targets.entries())
    t.same(together[index]!.report.judgement, (await quantize({ ...request, spec })).report.judgement, spec.name)
})

test('a device whose engine fails leaves the others to it', async t => {
  const broken = { ...onnxruntimeEngine, name: 'broken', open: () => Promise.reject(new Error('no such library')) }
  const request = await requestFor()
  const targets = [{ spec: request.spec, target: { engine: broken, options: {} } }, { spec: request.spec }]
  const outcomes = await makeForAll(request, targets)
  t.match(outcomes, [
    { kind: 'failed', error: { message: 'no such library' } },
    { kind: 'made', made: { report: { coverage: 1 } } },
  ])
  for (const outcome of outcomes) if (outcome.kind === 'made') await outcome.made.session.close()
  await t.rejects(quantizeForAll(request, targets), { message: 'no such library' })
})

test('the result is a model of the same inputs and outputs, described by a report of the schema', async t => {
  const { bytes, report } = await quantized()
  const { graph } = readModel(bytes)
  t.same(
    [graph.inputs, graph.outputs].map(list => list.map(({ name }) => name)),
    [['x'], ['y']],
  )
  t.ok(Report.safeParse(report).success)
  t.match(report, { coverage: 1, notes: [], chosen: { weight_range: 'full' }, samples: { calibration: 20, held_out: 100 } })
  t.match(report.judgement, { verdict: 'accepted', metric: 'signal', by: 'float', items: 100 })
  t.ok(report.judgement!.snr_db! > 30, `${report.judgement!.snr_db} dB`)
  t.equal(report.quantizers.filter(({ of }) => of === 'weight').length, 3)
})

test('without VNNI weights stay within +-64, and what is asked for wins over the device', async t => {
  const codesOf = (bytes: Uint8Array) =>
    [...readModel(bytes).graph.initializers]
      .filter(([name]) => name.endsWith('/codes'))
      .flatMap(([, { dtype, bytes: data }]) => (dtype === 'int8' ? [...new Int8Array(data.slice().buffer)] : []))
  const half = await quantized({ spec: 'cpu-x64' })
  t.equal(Math.max(...codesOf(half.bytes).map(Math.abs)), 64)
  t.equal(half.report.chosen.weight_range, 'half')
  const full = await quantized({ spec: 'cpu-x64', settings: { weight_range: 'full' } })
  t.equal(Math.max(...codesOf(full.bytes).map(Math.abs)), 127)
})

test('the golden list of quantizers of a small model per processor', async t => {
  const lines = async (spec: string) =>
    (await quantized({ spec, settings: { scheme: 'symmetric' } })).report.quantizers.map(
      ({ tensor, of, scheme, granularity, codes }) => `${of} ${tensor}: ${scheme} ${granularity} ${codes}`,
    )
  const golden = (activation: string) => [
    ...['x', 'r1', 'c2', 'r2', 'p', 'f'].map(name => `activation ${name}: symmetric per-tensor ${activation}`),
    ...['w1', 'w2', 'w3'].map(name => `weight ${name}: symmetric per-channel int8`),
  ]
  for (const spec of ['cpu-x64-vnni', 'cpu-x64']) t.same(await lines(spec), golden('uint8'), spec)
  for (const spec of ['cpu-arm64-dot', 'cpu-arm64']) t.same(await lines(spec), golden('int8'), spec)
})

test('scheme, estimator and nodes to keep float are followed to the letter', async t => {
  const { report } = await quantized({ settings: { scheme: 'symmetric', range_estimator: 'mse', keep_float: ['c2'] } })
  t.match(report.chosen, { scheme: 'symmetric', estimator: 'mse', why: 'symmetric was asked for' })
  t.match(
    report.layers.find(({ node }) => node === 'c2'),
    { state: 'float', reason: 'asked for (keep_float)' },
  )
  t.match((await quantized({ settings: { preset: 'performance' } })).report.chosen, { scheme: 'symmetric' })
  t.match((await quantized({ settings: { preset: 'mixed' } })).report.chosen, { scheme: 'asymmetric' })
})

test('a layer that int8 ruins is kept float until the drop holds, and named', async t => {
  const model = poisonedNet()
  const { report } = await quantized({ model, settings: { equalization: 'off', channel_alignment: 'off', smooth_quant: 'off' } })
  t.match(report.judgement, { verdict: 'accepted' }, report.judgement!.sentence)
  t.ok(report.coverage >= 0.9 && report.coverage < 1, `coverage ${report.coverage}`)
  t.match(
    report.algorithms?.find(({ name }) => name === 'cheap layers kept float'),
    { state: 'applied', changes: ['a stays float'] },
  )
  t.match(
    report.layers.find(({ node }) => node === 'a'),
    { state: 'float', reason: /kept float/ },
  )
})

test('int8 that loses too much is given back, refused', async t => {
  const model = residualNet()
  const wrong = memorySamples(
    seededInputs(model, 20).map(({ x }) => ({ x: { ...x!, data: (x!.data as Float32Array).map(value => value / 50) } })),
  )
  const { bytes, report } = await quantized({ model, samples: wrong })
  t.ok(bytes.byteLength > 0)
  t.match(report.judgement, { verdict: 'refused', sentence: /^int8 loses too much accuracy/ })
})

test('too few held-out samples leave the result unjudged', async t => {
  t.match((await quantized({ heldOut: memorySamples([]) })).report.judgement, { verdict: 'unjudged', items: 0 })
})

test('a model without products says that there is nothing to quantize', async t => {
  const model = buildModel({ inputs: { x: ['float32', ['n', 4]] }, outputs: { y: ['float32', ['n', 4]] }, nodes: [op('Relu', ['x'], 'y')] })
  const { report } = await quantized({ model })
  t.match(report, { coverage: 0, judgement: { verdict: 'refused', sentence: /nothing to quantize/ } })
})

test('values that are not finite, missing samples and an unknown output end with their codes', async t => {
  const model = residualNet()
  const [first] = seededInputs(model, 1)
  const broken = memorySamples([
    { x: { ...first!.x!, data: (first!.x!.data as Float32Array).map((value, at) => (at === 3 ? Number.NaN : value)) } },
  ])
  await t.rejects(quantized({ model, samples: broken }), { code: 'ERR_QUANT_RANGE' })
  await t.rejects(quantized({ model, samples: memorySamples([]) }), { code: 'ERR_QUANT_NO_SAMPLES' })
  await t.rejects(quantized({ model, signal: AbortSignal.abort() }), { code: 'ERR_ABORTED' })
})

test('progress passes through the stages and never goes back within one', async t => {
  const seen: [Stage, number][] = []
  await quantized({ onProgress: (stage, share) => seen.push([stage, share]) })
  t.same([...new Set(seen.map(([stage]) => stage))], ['import', 'place', 'observe', 'quantize', 'evaluate', 'judge'])
  for (const [index, [stage, share]] of seen.entries()) {
    const [before, last] = seen[index - 1] ?? [stage, 0]
    if (before === stage && share < last) t.fail(`${stage} went from ${last} to ${share}`)
  }
  t.pass()
})
