import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import { loadDeviceSpecs } from '../../../src/hardware/match.js'
import { quantize } from '../../../src/quantization/pipeline.js'
import { QuantizeSettings } from '../../../src/quantization/settings.js'
import { memorySamples } from '../../fixtures/quantization/memory-samples.js'
import { residualNet, seededInputs } from '../../fixtures/quantization/small-models.js'

async function tuned(settings: Partial<QuantizeSettings>) {
  const model = residualNet()
  const specs = await loadDeviceSpecs()
  return quantize({
    model,
    sha256: 'f'.repeat(64),
    name: 'small',
    bytes: 1000,
    samples: memorySamples(seededInputs(model, 60)),
    heldOut: memorySamples(seededInputs(model, 100, 500)),
    spec: specs.find(({ name }) => name === 'cpu-x64-vnni')!,
    settings: QuantizeSettings.parse(settings),
    engine: onnxruntimeEngine,
  })
}

const steps = ['fast bias correction', 'cheap layers kept float', 'range tuning', 'layer tuning', 'full bias correction'] as const

test('the preset accuracy tries every step, tells what each gained, and is no worse for it on samples that it never saw', async t => {
  const accuracy = await tuned({ preset: 'accuracy' })
  const entries = accuracy.report.algorithms!.filter(({ name }) => steps.some(step => step === name))
  t.same(
    entries.map(({ name }) => name),
    steps,
  )
  for (const { name, state, gain_db } of entries) {
    if (state === 'applied' || (state === 'withdrawn' && !name.startsWith('cheap'))) t.type(gain_db, 'number', name)
  }
  const plain = await tuned({ preset: 'auto' })
  t.ok(accuracy.report.judgement!.snr_db! > plain.report.judgement!.snr_db! - 0.5)
  t.same((await tuned({ preset: 'accuracy' })).bytes, accuracy.bytes, 'the same request gives the same bytes')
})

test('what is switched off is not tried, what is switched on is applied', async t => {
  const off = await tuned({ preset: 'accuracy', layer_tuning: 'off', bias_correction: 'off' })
  const stateOf = (report: typeof off.report, name: string) => report.algorithms!.find(entry => entry.name === name)?.state
  for (const name of ['fast bias correction', 'range tuning', 'layer tuning', 'full bias correction'])
    t.equal(stateOf(off.report, name), 'off', name)
  const on = await tuned({ layer_tuning: 'on', bias_correction: 'full' })
  t.equal(stateOf(on.report, 'layer tuning'), 'applied')
  t.equal(stateOf(on.report, 'full bias correction'), 'not needed', 'layer tuning corrects the means')
  const full = await tuned({ bias_correction: 'full' })
  t.equal(stateOf(full.report, 'full bias correction'), 'applied')
  t.notSame(full.bytes, (await tuned({ bias_correction: 'off' })).bytes)
})
