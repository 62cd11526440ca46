import { test } from 'tap'
import { rangeEstimator, rangeEstimators } from '../../../src/quantization/ranges/catalog.js'
import { QuantizeSettings } from '../../../src/quantization/settings.js'

test('the settings offer every estimator of the catalog, and auto', async t => {
  const offered = QuantizeSettings.shape.range_estimator.unwrap().options
  t.same([...offered].sort(), ['auto', ...rangeEstimators.map(({ name }) => name)].sort())
  for (const { name } of rangeEstimators) t.equal(rangeEstimator(name).name, name)
})
