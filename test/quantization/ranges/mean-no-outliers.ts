import { test } from 'tap'
import { meanNoOutliers } from '../../../src/quantization/ranges/mean-no-outliers.js'
import { estimateRange } from '../../../src/quantization/ranges/range-estimator.js'
import { observedOf, threeSamples } from '../../fixtures/quantization/observed.js'

test('the smallest and the largest of the ends do not count', async t => {
  // Of three figures, the hundredth quantiles lie just inside the first and the last: -9 and -1 go, so do 2 and 30.
  t.same(estimateRange(meanNoOutliers, observedOf(threeSamples)), { low: -2, high: 4 })
  const ends = Array.from({ length: 201 }, (_, i) => ({ extremes: [-1, i === 7 ? 1e6 : i % 2 === 0 ? 4 : 6], quantile: [-1, 1] }) as const)
  const { low, high } = estimateRange(meanNoOutliers, observedOf(ends))
  t.equal(low, -1, 'equal ends are no outliers')
  t.ok(high > 4.9 && high < 5.1, `one broken sample in 201 does not move the mean: ${high}`)
})
