import { test } from 'tap'
import { medianNoOutliers } from '../../../src/quantization/ranges/median-no-outliers.js'
import { estimateRange } from '../../../src/quantization/ranges/range-estimator.js'
import { observedOf } from '../../fixtures/quantization/observed.js'

test('the median is that of the figures within the hundredth quantiles', async t => {
  // One high of four lies beyond the upper quantile, one low beyond the lower: medians of [2, 3] and [-3, -2].
  const samples = [1, 2, 3, 100].map(high => ({ extremes: [-high, high], quantile: [-1, 1] }) as const)
  t.same(estimateRange(medianNoOutliers, observedOf(samples)), { low: -2.5, high: 2.5 })
})
