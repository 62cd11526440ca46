import { test } from 'tap'
import { agreement, rowAgreement } from '../../../src/quantization/accuracy/agreement.js'

const tensor = (shape: number[], ...values: number[]) => ({ dtype: 'float32', shape, data: Float32Array.from(values) }) as const

test('rows agree where their largest element is at the same place', async t => {
  const float = tensor([1, 2, 3], 1, 2, 3, 9, 8, 7)
  t.equal(rowAgreement(float, tensor([1, 2, 3], 0, 0, 1, 0, 1, 0)), 0.5)
  t.equal(agreement.start().add({ output: float, float, label: undefined, alphabet: [] }), 1)
  t.equal(rowAgreement(tensor([1, 1], 3), tensor([1, 1], 4)), 1, 'rows of one element cannot disagree')
})
