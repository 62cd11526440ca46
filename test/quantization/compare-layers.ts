import { test } from 'tap'
import { onnxruntimeEngine } from '../../src/engines/onnxruntime/engine.js'
import { addedNoise, compareLayers } from '../../src/quantization/compare-layers.js'
import { memorySamples } from '../fixtures/quantization/memory-samples.js'
import { quantized } from '../fixtures/quantization/quantized.js'
import { residualNet, seededInputs } from '../fixtures/quantization/small-models.js'

test('every integer operator has its noise over signal, and what it adds is never negative', async t => {
  const model = residualNet()
  const inputs = seededInputs(model, 8)
  const { lowered, placement } = await quantized(model, inputs)
  const noise = await compareLayers({
    float: model,
    int8: lowered,
    placement,
    samples: memorySamples(inputs),
    sampleCount: 8,
    batch: 3,
    engine: onnxruntimeEngine,
    threads: 1,
  })
  t.same([...noise.keys()], ['c1', 'c2', 's', 'p', 'f', 'y'])
  for (const [name, ratio] of noise) t.ok(ratio > 0 && ratio < 0.01, `${name}: ${ratio}`)
  t.equal(noise.get('p'), noise.get('f'), 'moving codes adds nothing')
  const added = addedNoise(placement, noise)
  t.same([...added.keys()], ['c1', 'c2', 'y'], 'what lies between products counts for the product before')
  t.ok([...added.values()].every(value => value >= 0))
})
