import { test } from 'tap'
import { meanQuantile } from '../../../src/quantization/ranges/mean-quantile.js'
import { estimateRange } from '../../../src/quantization/ranges/range-estimator.js'
import { observedOf, threeSamples } from '../../fixtures/quantization/observed.js'

test('the range is the mean of the quantiles of the samples', async t => {
  t.same(estimateRange(meanQuantile, observedOf(threeSamples)), { low: -1, high: 2 })
})
