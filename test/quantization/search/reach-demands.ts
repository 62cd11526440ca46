import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import { loadDeviceSpecs } from '../../../src/hardware/match.js'
import type { AwareCheckpoint } from '../../../src/quantization/accuracy-aware/checkpoint.js'
import type { QuantizeRequest, Stage } from '../../../src/quantization/contract.js'
import { quantize } from '../../../src/quantization/pipeline.js'
import { Report } from '../../../src/quantization/report/report.js'
import { QuantizeSettings } from '../../../src/quantization/settings.js'
import { memorySamples } from '../../fixtures/quantization/memory-samples.js'
import { poisonedNet, residualNet, seededInputs } from '../../fixtures/quantization/small-models.js'

/** The limits of the signal, 15 dB and a cosine of 0.99, are out of reach of all recipes. */
const settings = {
  pipeline: 'accuracy-aware',
  metric: 'signal',
  range_estimator: 'min-max',
  equalization: 'off',
  channel_alignment: 'off',
  smooth_quant: 'off',
  ranking_samples: 10,
} as const

async function quantized(more: Partial<QuantizeRequest> = {}) {
  const model = poisonedNet()
  const specs = await loadDeviceSpecs()
  return quantize({
    model,
    sha256: 'f'.repeat(64),
    name: 'poisoned',
    bytes: 1000,
    samples: memorySamples(seededInputs(model, 30)),
    heldOut: memorySamples(seededInputs(model, 100, 500)),
    spec: specs.find(({ name }) => name === 'cpu-x64-vnni')!,
    settings: QuantizeSettings.parse(settings),
    engine: onnxruntimeEngine,
    ...more,
  })
}

test('the layer that int8 ruins is ranked first and made float, the report tells every step, and the judge agrees', async t => {
  const { report } = await quantized()
  t.ok(Report.safeParse(report).success)
  const aware = report.accuracy_aware!
  t.match(aware, { reached: true, items: 30, ranking_items: 10 }, aware.sentence)
  t.equal(aware.kept, 3 / 5, 'the sum in front of the next product goes with it')
  t.ok(aware.estimate_s > 0)
  const reverts = aware.steps.filter(({ step }) => step === 'revert')
  t.same(
    reverts.map(({ nodes }) => nodes),
    [['a']],
  )
  t.match(
    report.layers.find(({ node }) => node === 'a'),
    { state: 'float', reason: 'kept float by accuracy-aware quantization' },
  )
  t.match(report.judgement, { verdict: 'accepted', items: 100 })
  t.match(report.notes, [/too few labels: steps are held to what float answers to 30 calibration samples; the judge has 100 other items/])
})

test('a run that was cut off goes on from its checkpoint to the same bytes and repeats no evaluation', async t => {
  const whole = await quantized()
  let saved: AwareCheckpoint | undefined
  const save = (checkpoint: AwareCheckpoint) => {
    saved = structuredClone(checkpoint)
    if (Object.keys(checkpoint.measured).length === 4) throw new Error('killed')
  }
  await t.rejects(quantized({ checkpoint: { save } }), /killed/)
  const before = Object.keys(saved!.measured)
  const after: string[] = []
  const again = await quantized({
    checkpoint: { found: saved, save: ({ measured }) => void after.push(Object.keys(measured).at(-1)!) },
  })
  t.same(again.bytes, whole.bytes)
  t.same(again.report.accuracy_aware!.steps, whole.report.accuracy_aware!.steps)
  t.same(
    after.filter(question => before.includes(question)),
    [],
    'what was answered is not asked again',
  )
})

test('the stages rank and revert tell what is left of the estimate, and each stage has one time in the report', async t => {
  const seen: [Stage, number | undefined][] = []
  const { report } = await quantized({ onProgress: (stage, _, etaS) => seen.push([stage, etaS]) })
  for (const stage of ['rank', 'revert'])
    t.ok(
      seen.some(([name, etaS]) => name === stage && etaS !== undefined),
      stage,
    )
  const names = report.stages.map(({ stage }) => stage)
  t.same(names, [...new Set(names)])
  t.ok(names.includes('rank') && names.includes('revert'))
})

test('an abort ends it between two evaluations', async t => {
  const abort = new AbortController()
  const onProgress = (stage: Stage) => {
    if (stage === 'rank') abort.abort()
  }
  await t.rejects(quantized({ onProgress, signal: abort.signal }), { code: 'ERR_ABORTED' })
})

test('a demand that holds from the start costs one evaluation and changes nothing', async t => {
  const model = residualNet()
  const held = { samples: memorySamples(seededInputs(model, 20)), heldOut: memorySamples(seededInputs(model, 100, 500)) }
  const { report } = await quantized({ model, ...held })
  t.match(report.accuracy_aware, { reached: true, kept: 1, steps: [], estimate_s: 0 })
  t.equal(report.coverage, 1)
})
