import { test } from 'tap'
import { activationAffine, quantizeUint8 } from '../../../src/quantization/ranges/affine.js'
import { squaredError } from '../../../src/quantization/ranges/squared-error.js'
import { bellWith, lookAt } from '../../fixtures/quantization/second-look.js'

test('the error told from the histogram is that of the values, whatever the range', async t => {
  const values = bellWith([9, -7, ...new Array<number>(40_000).fill(0)])
  for (const factor of [1, 0.7, 0.4, 0.25]) {
    const look = lookAt(values, 'asymmetric')
    const affine = activationAffine({ low: look.range.low * factor, high: look.range.high * factor }, 'asymmetric')
    const codes = quantizeUint8(values, affine)
    let exact = 0
    values.forEach((value, index) => {
      exact += (value - (codes[index]! - affine.zeroPoint) * affine.scale) ** 2
    })
    t.ok(Math.abs(squaredError(look.histogram, affine) / exact - 1) < 0.03, `range * ${factor}`)
  }
})

test('a tensor of nothing but 0 has no error', async t => {
  const look = lookAt(new Float32Array(10), 'asymmetric')
  t.equal(squaredError(look.histogram, look.affineOf(look.range)), 0)
})
