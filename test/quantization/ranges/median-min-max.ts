import { test } from 'tap'
import { medianMinMax } from '../../../src/quantization/ranges/median-min-max.js'
import { estimateRange } from '../../../src/quantization/ranges/range-estimator.js'
import { observedOf, threeSamples } from '../../fixtures/quantization/observed.js'

test('the range is the median of the ends of the samples', async t => {
  t.same(estimateRange(medianMinMax, observedOf(threeSamples)), { low: -2, high: 4 })
})
