import { test } from 'tap'
import { roundHalfEven } from '../../../src/graph/tensor/round-half-even.js'
import {
  activationAffine,
  affineOf,
  asymmetricRange,
  quantizeUint8,
  rangeOf,
  symmetricRange,
  weightScales,
} from '../../../src/quantization/ranges/affine.js'

const near = (a: number, b: number) => Math.abs(a - b) <= 1e-8 * Math.max(1, Math.abs(b))

test('halves round to the even neighbour', async t => {
  for (const [value, wanted] of [
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [-0.5, 0],
    [-1.5, -2],
    [63.5, 64],
    [2.4999, 2],
    [-2.6, -3],
  ] as const) {
    t.equal(roundHalfEven(value) + 0, wanted, String(value))
  }
})

test('an asymmetric range is widened until 0 is a code (quantization.md 12.1)', async t => {
  const cases = [
    [-1, 3, -1.005235602, 3, 64, 0.0157068063],
    [-3, 1, -3, 1.005235602, 191, 0.0157068063],
    [-0.2, 6, -0.2, 6.175, 8, 0.025],
    [-2, 2, -2.015748031, 2, 128, 0.0157480315],
    [0, 6, 0, 6, 0, 0.0235294118],
    [-5, 0, -5, 0, 255, 0.0196078431],
  ] as const
  for (const [low, high, wantedLow, wantedHigh, zeroPoint, scale] of cases) {
    const range = asymmetricRange({ low, high })
    t.ok(near(range.low, wantedLow) && near(range.high, wantedHigh), `${low}..${high}: ${range.low}..${range.high}`)
    t.match(affineOf(range), { scale: Math.fround(scale), zeroPoint }, `${low}..${high}`)
  }
  t.same(asymmetricRange({ low: -0.001, high: 6 }), { low: 0, high: 6 }, 'a low end below half a step becomes 0')
})

test('output limits -1.2 and 2.4 are a third of the codes below 0 (quantization.md 12.1)', async t => {
  t.match(affineOf({ low: -1.2, high: 2.4 }), { scale: Math.fround(3.6 / 255), zeroPoint: 85 })
  t.ok(near(3.6 / 255, 0.0141176471))
})

test('float 0 is exactly a code, whatever the range', async t => {
  for (const [low, high] of [
    [-1, 3],
    [0, 6],
    [-0.001, 5],
    [-7, 0],
    [2, 3],
    [-3, -2],
    [0, 0],
    [-1e-9, 1e-9],
  ] as const) {
    for (const mode of ['symmetric', 'asymmetric'] as const) {
      const affine = activationAffine({ low, high }, mode)
      const { low: reachedLow, high: reachedHigh } = rangeOf(affine)
      t.ok(Number.isInteger(affine.zeroPoint) && affine.zeroPoint >= 0 && affine.zeroPoint <= 255, `${mode} ${low}..${high}: zero point`)
      t.ok(affine.scale > 0, `${mode} ${low}..${high}: scale`)
      t.ok(reachedLow <= Math.min(low, 0) + affine.scale / 2, `${mode} ${low}..${high}: the low end is reached`)
      t.ok(reachedHigh >= Math.max(high, 0) - affine.scale / 2, `${mode} ${low}..${high}: so is the high end`)
    }
  }
})

test('a symmetric range is unsigned where nothing lies below 0', async t => {
  t.same(symmetricRange({ low: 0, high: 4 }), { low: 0, high: 4 })
  const signed = symmetricRange({ low: -3, high: 4 })
  t.ok(near(signed.low, -4.031496063) && signed.high === 4)
  t.match(affineOf(signed), { scale: Math.fround(4 / 127), zeroPoint: 128 })
})

test('weights take 127 steps to their largest value, 63.5 in half range', async t => {
  t.same([...weightScales([0.5], 'half')], [Math.fround(0.007874015748)])
  t.equal(roundHalfEven(0.5 / weightScales([0.5], 'half')[0]!), 64)
  t.same(
    [...weightScales([1, 0.5, 0], 'full')],
    [1 / 127, 0.5 / 127, 0.01 / 127].map(Math.fround),
    'a dead channel takes 1 % of the largest',
  )
  t.throws(() => weightScales([1, Number.POSITIVE_INFINITY], 'full'), { code: 'ERR_QUANT_RANGE' })
})

test('codes are rounded before the zero point is added, and saturate (QuantizeLinear)', async t => {
  const codes = quantizeUint8([0.5, 1.5, 2.5, 3.5, -0.5, 254.5, 253.5, 300], { scale: 1, zeroPoint: 1 })
  t.same([...codes], [1, 3, 3, 5, 1, 255, 255, 255])
})

test('a range that is not finite or upside down is refused', async t => {
  for (const range of [
    { low: Number.NaN, high: 1 },
    { low: 0, high: Number.POSITIVE_INFINITY },
    { low: 2, high: 1 },
  ]) {
    t.throws(() => activationAffine(range, 'asymmetric'), { code: 'ERR_QUANT_RANGE' })
  }
})
