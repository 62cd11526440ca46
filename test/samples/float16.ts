import { test } from 'tap'
import { float16Bits, float16Value } from '../../src/samples/float16.js'

test('every pattern of float16 survives the way to a number and back', async t => {
  let wrong = 0
  for (let bits = 0; bits < 0x10000; bits += 1) {
    const value = float16Value(bits)
    if (Number.isNaN(value) ? !Number.isNaN(float16Value(float16Bits(value))) : float16Bits(value) !== bits) wrong += 1
  }
  t.equal(wrong, 0)
})

test('numbers between two patterns go to the nearer one, ties to the even one', async t => {
  for (const [value, bits] of [
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [1 + 2 ** -11 + 2 ** -20, 0x3c01],
    [65519, 0x7bff],
    [65520, 0x7c00],
    [-1e9, 0xfc00],
    [2 ** -25, 0],
    [2 ** -25 + 2 ** -40, 1],
    [3 * 2 ** -25, 2],
    [-0, 0x8000],
    [2 ** -14 - 2 ** -25, 0x400],
  ] as const) {
    t.equal(float16Bits(value), bits, `${value}`)
  }
})
