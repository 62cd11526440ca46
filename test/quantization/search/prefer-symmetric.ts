import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import { ints } from '../../../src/graph/node.js'
import { loadDeviceSpecs } from '../../../src/hardware/match.js'
import { quantize } from '../../../src/quantization/pipeline.js'
import { QuantizeSettings } from '../../../src/quantization/settings.js'
import { buildModel, op, seeded } from '../../fixtures/graph-builder.js'
import { memorySamples } from '../../fixtures/quantization/memory-samples.js'
import { seededInputs } from '../../fixtures/quantization/small-models.js'

/** Elu goes below zero without being symmetric about it: the model suggests asymmetric activations. */
const eluNet = () =>
  buildModel({
    inputs: { x: ['float32', [1, 3, 8, 8]] },
    outputs: { y: ['float32', [1, 4, 8, 8]] },
    constants: { wa: seeded([4, 3, 3, 3], 1), wb: seeded([4, 4, 3, 3], 2) },
    nodes: [
      op('Conv', ['x', 'wa'], 'a', { pads: ints([1, 1, 1, 1]) }),
      op('Elu', ['a'], 'e'),
      op('Conv', ['e', 'wb'], 'y', { pads: ints([1, 1, 1, 1]) }),
    ],
  })

async function chosenFor(device: string, settings: Partial<QuantizeSettings> = {}) {
  const model = eluNet()
  const { report } = await quantize({
    model,
    sha256: 'f'.repeat(64),
    name: 'elu',
    bytes: 1000,
    samples: memorySamples(seededInputs(model, 20)),
    heldOut: memorySamples([]),
    spec: (await loadDeviceSpecs()).find(({ name }) => name === device)!,
    settings: QuantizeSettings.parse(settings),
    engine: onnxruntimeEngine,
  })
  return report.chosen
}

test('OpenVINO gets symmetric activations where they are nearly lossless, ONNX Runtime what the model suggests', async t => {
  t.match(await chosenFor('openvino-cpu'), { scheme: 'symmetric', why: /nearly lossless as well/ })
  t.match(await chosenFor('cpu-x64-vnni'), { scheme: 'asymmetric' })
})

test('a scheme that was asked for stays', async t => {
  t.match(await chosenFor('openvino-cpu', { scheme: 'asymmetric' }), { scheme: 'asymmetric', why: 'asymmetric was asked for' })
})
