import { test } from 'tap'
import { fakeQuantize } from '../../../src/quantization/ranges/fake-quantize.js'

const limits = (low: number, high: number, levels = 256) => ({ inputLow: low, inputHigh: high, outputLow: low, outputHigh: high, levels })

test('values snap to the grid of the range (quantization.md 12.1)', async t => {
  const cases = [
    [-2, -1.005236],
    [-1.5, -1.005236],
    [-0.3, -0.298429],
    [0, 0],
    [0.7, 0.706806],
    [2.999, 3],
    [5, 3],
  ] as const
  for (const [value, wanted] of cases) t.ok(Math.abs(fakeQuantize(value, limits(-1.0052356, 3)) - wanted) < 2e-6, String(value))
})

test('the lower limit itself gives the low output, the upper one goes through the formula', async t => {
  const requantizer = { inputLow: 0, inputHigh: 1, outputLow: 10, outputHigh: 20, levels: 2 }
  t.equal(fakeQuantize(0, requantizer), 10)
  t.equal(fakeQuantize(1, requantizer), 20)
  t.equal(fakeQuantize(0.5, requantizer), 10, 'a tie goes to the even code')
})

test('equal limits make a step', async t => {
  const step = { inputLow: 1, inputHigh: 1, outputLow: -1, outputHigh: 1, levels: 2 }
  t.same(
    [0.9, 1, 1.1].map(value => fakeQuantize(value, step)),
    [-1, -1, 1],
  )
})
