import { test } from 'tap'
import { quantile } from '../../../src/quantization/ranges/quantile.js'
import { estimateRange } from '../../../src/quantization/ranges/range-estimator.js'
import { observedOf, threeSamples } from '../../fixtures/quantization/observed.js'

test('the range is the outermost of the quantiles of the samples', async t => {
  t.same(estimateRange(quantile, observedOf(threeSamples)), { low: -1.5, high: 3 })
})
