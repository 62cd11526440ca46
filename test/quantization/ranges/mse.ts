import { test } from 'tap'
import { mse } from '../../../src/quantization/ranges/mse.js'
import { estimateRange } from '../../../src/quantization/ranges/range-estimator.js'
import { squaredError } from '../../../src/quantization/ranges/squared-error.js'
import { observedOf, threeSamples } from '../../fixtures/quantization/observed.js'
import { bellWith, lookAt } from '../../fixtures/quantization/second-look.js'

test('the gathered range is the outermost: the second look only shrinks it', async t => {
  t.same(estimateRange(mse, observedOf(threeSamples)), { low: -9, high: 30 })
})

test('rare large values are given up for a finer step, and the error is the least around', async t => {
  const look = lookAt(bellWith([8]), 'asymmetric')
  const { low, high } = mse.refine(look)
  t.ok(low > -5 && low < -3.5 && high > 4 && high < 7.5, `${low}..${high}`)
  const error = (range: { low: number; high: number }) => squaredError(look.histogram, look.affineOf(range))
  t.ok(error({ low, high }) < 0.9 * error(look.range), 'less than the error of the whole range')
  for (const factor of [0.8, 1.25]) {
    t.ok(error({ low, high }) <= error({ low: low * factor, high }), `low * ${factor}`)
    t.ok(error({ low, high }) <= error({ low, high: high * factor }), `high * ${factor}`)
  }
})

test('either end has a factor of its own under an asymmetric scheme, one factor under a symmetric', async t => {
  const values = bellWith([-7, 8])
  const asymmetric = mse.refine(lookAt(values, 'asymmetric'))
  const symmetric = mse.refine(lookAt(values, 'symmetric'))
  t.ok(asymmetric.low > -6.9 && asymmetric.high < 7.9, `both ends were looked at: ${asymmetric.low}..${asymmetric.high}`)
  t.ok(symmetric.high < 7.9 && symmetric.low === Math.max(-7, -symmetric.high), `${symmetric.low}..${symmetric.high}`)
})

test('where many large values cost more than a finer step gains, the range stays whole', async t => {
  const look = lookAt(
    Float32Array.from({ length: 1000 }, (_, i) => i / 999),
    'asymmetric',
  )
  t.same(mse.refine(look), { low: 0, high: 1 })
})
