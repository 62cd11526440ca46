import { test } from 'tap'
import { entropy } from '../../../src/quantization/ranges/entropy.js'
import { bellWith, lookAt } from '../../fixtures/quantization/second-look.js'

test('a lone outlier is given up, what many values reach is kept', async t => {
  for (const mode of ['symmetric', 'asymmetric'] as const) {
    const { low, high } = entropy.refine(lookAt(bellWith([40]), mode))
    t.ok(high < 12 && high > 2, `${mode}: high ${high}`)
    t.ok(low < -2, `${mode}: low ${low}`)
  }
})

test('a tensor that is never negative keeps 256 codes above 0, and its zeros do not decide', async t => {
  const magnitudes = bellWith([]).map(Math.abs)
  const dense = Float32Array.of(...magnitudes.subarray(0, 50_000), 40)
  const sparse = new Float32Array(4 * dense.length)
  sparse.set(dense)
  const { low, high } = entropy.refine(lookAt(sparse, 'symmetric'))
  t.equal(low, 0)
  t.ok(high > 2 && high < 12, `high ${high}`)
  t.equal(high, entropy.refine(lookAt(dense, 'symmetric')).high, 'three zeros for each value change nothing')
})

test('evenly spread values are kept whole', async t => {
  const look = lookAt(
    Float32Array.from({ length: 65_536 }, (_, i) => (i / 65_535) * 2 - 1),
    'asymmetric',
  )
  const { low, high } = entropy.refine(look)
  t.ok(low <= -0.97 && high >= 0.97, `${low}..${high}`)
})
