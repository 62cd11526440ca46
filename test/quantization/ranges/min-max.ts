import { test } from 'tap'
import { minMax } from '../../../src/quantization/ranges/min-max.js'
import { estimateRange } from '../../../src/quantization/ranges/range-estimator.js'
import { observedOf, threeSamples } from '../../fixtures/quantization/observed.js'

test('the range is the outermost of all samples', async t => {
  t.same(estimateRange(minMax, observedOf(threeSamples)), { low: -9, high: 30 })
})
