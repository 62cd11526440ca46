import { test } from 'tap'
import { refineRanges } from '../../../src/quantization/algorithms/refine-ranges.js'
import type { Placement, Quantizer } from '../../../src/quantization/placement/placement.js'
import type { ActivationMode } from '../../../src/quantization/ranges/affine.js'
import { rangeEstimators } from '../../../src/quantization/ranges/catalog.js'
import { minMax } from '../../../src/quantization/ranges/min-max.js'
import { mse } from '../../../src/quantization/ranges/mse.js'
import type { RangeEstimator } from '../../../src/quantization/ranges/range-estimator.js'
import { observedOf } from '../../fixtures/quantization/observed.js'
import { bellWith, lookAt } from '../../fixtures/quantization/second-look.js'

const plain = { value: 'v', root: 'v', at: 'produced', signed: false } as const

interface Options {
  readonly mode?: ActivationMode
  readonly estimator?: RangeEstimator
  readonly values?: Float32Array
}

function refined(quantizer: Quantizer, { mode = 'asymmetric', estimator = mse, values = bellWith([8]) }: Options = {}) {
  const { histogram, range } = lookAt(values, 'asymmetric')
  const placement: Placement = { units: new Map(), layers: [], quantizers: new Map([[quantizer.value, quantizer]]) }
  const observed = observedOf([{ extremes: [range.low, range.high], quantile: [range.low, range.high] }])
  return refineRanges({
    placement,
    statistics: { sampleCount: 1, ranges: new Map([['v', observed]]), means: new Map(), channels: new Map() },
    histograms: new Map([['v', histogram]]),
    estimatorOf: () => estimator,
    mode,
  }).get('v')
}

test('an estimator with a second look chooses, one without is left to its gathered range', async t => {
  t.ok(refined(plain)!.high < 7.9)
  t.equal(refined(plain, { estimator: minMax }), undefined)
  t.equal(refined({ ...plain, fixed: { scale: 1 / 256, zeroPoint: 0 } }), undefined, 'a range that is known is not looked for')
})

test('what a folded Relu cuts off is neither within the range nor an error', async t => {
  const range = refined({ ...plain, clip: { low: 0, high: Number.POSITIVE_INFINITY } })!
  t.equal(range.low, 0)
  t.ok(range.high > 4 && range.high < 7.9, String(range.high))
})

test('a folded Clip bounds the choice', async t => {
  t.same(refined({ ...plain, clip: { low: -1, high: 1 } }), { low: -1, high: 1 })
})

test('int8 quantizers are shrunk symmetrically under either scheme', async t => {
  t.same(refined({ ...plain, signed: true }), refined({ ...plain, signed: true }, { mode: 'symmetric' }))
})

test('every second look takes what never comes near 0, what is one value, and what is nothing but 0', async t => {
  for (const estimator of rangeEstimators.filter(candidate => 'refine' in candidate)) {
    for (const values of [[0.084, 0.086], [-3, -2.9], [5], [0]]) {
      for (const mode of ['symmetric', 'asymmetric'] as const) {
        const { low, high } = refined(plain, { estimator, mode, values: Float32Array.from(values) })!
        const name = `${estimator.name}, ${mode}, ${values}`
        t.ok(low <= 0 && high >= 0, `${name}: ${low}..${high} holds 0`)
        t.ok(high >= 0.8 * Math.max(...values) && low <= 0.8 * Math.min(0, ...values), `${name}: ${low}..${high} holds what is frequent`)
      }
    }
  }
})
