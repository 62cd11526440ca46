import { test } from 'tap'
import { mse } from '../../../src/quantization/ranges/mse.js'
import { estimateRange } from '../../../src/quantization/ranges/range-estimator.js'
import { observedOf, threeSamples } from '../../fixtures/quantization/observed.js'

test('a factor shrinks both ends of the outermost range', async t => {
  t.same(estimateRange(mse, observedOf(threeSamples), 0.5), { low: -4.5, high: 15 })
  t.ok(mse.shrink.includes(1), 'the whole range is among the choices')
})
