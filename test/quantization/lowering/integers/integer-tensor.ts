import { test } from 'tap'
import { divideHalfEven, inStepsOf, requantize } from '../../../../src/quantization/lowering/integers/integer-tensor.js'

test('divisions round to the nearest integer, halves to the even one, on both sides of zero', async t => {
  for (const [numerator, denominator, wanted] of [
    [7, 2, 4],
    [5, 2, 2],
    [-5, 2, -2],
    [-7, 2, -4],
    [-1, 4, 0],
    [-3, 4, -1],
    [24, 49, 0],
    [25, 49, 1],
    [2 ** 40 + 1, 2, 2 ** 39],
  ] as const) {
    t.equal(divideHalfEven(numerator, denominator) + 0, wanted, `${numerator} / ${denominator}`)
  }
})

test('a requantization shifts, adds the zero point and saturates', async t => {
  const tensor = { shape: [5], integers: Float64Array.of(-3000, -6, 6, 10, 3000), exponent: -4, divisor: 1 }
  const codes = { exponent: -2, zeroPoint: 128, lowest: 0, highest: 255 }
  t.same([...requantize(tensor, codes).integers], [-128, -2, 2, 2, 127])
  t.same(
    [...requantize({ ...tensor, divisor: 3 }, codes).integers].map(value => value + 0),
    [-128, 0, 0, 1, 127],
    'a mean is divided in the same rounding',
  )
  t.same([...requantize(tensor, { ...codes, exponent: -5 }).integers], [-128, -12, 12, 20, 127], 'and to the left')
})

test('smaller steps hold the same values', async t => {
  const tensor = { shape: [2], integers: Float64Array.of(3, -1), exponent: 2, divisor: 1 }
  t.same([...inStepsOf(tensor, -1).integers], [24, -8])
  t.throws(() => inStepsOf(tensor, 3), { code: 'ERR_INTERNAL' })
})
