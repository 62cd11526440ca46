import { test } from 'tap'
import { placeFloat16 } from '../../../../src/quantization/placement/float16/place-float16.js'
import { placed } from '../../../fixtures/quantization/quantized.js'
import { residualNet, seededInputs } from '../../../fixtures/quantization/small-models.js'

test('in float16 nothing is quantized; inputs and what products give are observed', async t => {
  const model = residualNet()
  const { shapes } = await placed(model, seededInputs(model, 1))
  const { units, quantizers, layers, observed } = placeFloat16(model.graph, shapes)
  t.same([units.size, quantizers.size], [0, 0])
  t.same(observed, ['x', 'c1', 'c2', 'y'])
  t.ok(layers.every(({ state, reason }) => state === 'float' && reason === 'the device computes in float16'))
  t.ok(
    layers.some(({ macs }) => macs > 0),
    'multiply-adds are counted all the same',
  )
})
