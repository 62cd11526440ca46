import { test } from 'tap'
import { onnxruntimeEngine } from '../../src/engines/onnxruntime/engine.js'
import { addedNoise, compareLayers } from '../../src/quantization/compare-layers.js'
import { f32 } from '../fixtures/graph-builder.js'
import { memorySamples } from '../fixtures/quantization/memory-samples.js'
import { quantized } from '../fixtures/quantization/quantized.js'
import { depthwiseNet, residualNet, seededInputs } from '../fixtures/quantization/small-models.js'

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

test('what lies where HardSwish is flat is not compared', async t => {
  const model = depthwiseNet()
  // The first convolution gets a channel far below -3, which its quantizer cuts off and nobody tells apart.
  const shifted = model.graph.clone()
  const bias = Float32Array.from({ length: 8 }, (_, channel) => (channel === 0 ? -40 : 0))
  shifted.initializers.set('b1', f32([8], bias))
  const float = { ...model, graph: shifted }
  const inputs = seededInputs(float, 4)
  const { lowered, placement } = await quantized(float, inputs)
  const options = { float, int8: lowered, placement, samples: memorySamples(inputs), sampleCount: 4, batch: 1 }
  const noise = await compareLayers({ ...options, engine: onnxruntimeEngine, threads: 1 })
  t.ok(noise.get('c1')! < 0.001, `noise over signal at the convolution: ${noise.get('c1')}`)
})
