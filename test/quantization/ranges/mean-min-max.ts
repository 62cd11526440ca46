import { test } from 'tap'
import { meanMinMax } from '../../../src/quantization/ranges/mean-min-max.js'
import { estimateRange } from '../../../src/quantization/ranges/range-estimator.js'
import { observedOf, threeSamples } from '../../fixtures/quantization/observed.js'

test('the range is the mean of the ends of the samples', async t => {
  t.same(estimateRange(meanMinMax, observedOf(threeSamples)), { low: -4, high: 12 })
})
