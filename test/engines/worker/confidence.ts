import { test } from 'tap'
import { confidenceOf } from '../../../src/engines/worker/confidence.js'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'

const output = (shape: readonly number[], values: readonly number[]): Tensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(values),
})
const close = (found: number | undefined, expected: number) => Math.abs((found ?? Number.NaN) - expected) < 1e-6

test('it is the margin of the two best classes, of logits after softmax, of probabilities as they are', async t => {
  t.ok(close(confidenceOf('classification', output([1, 3], [Math.log(6), Math.log(3), 0])), 0.3))
  t.ok(close(confidenceOf('classification', output([1, 3], [0.6, 0.3, 0.1])), 0.3))
  t.ok(close(confidenceOf('classification', output([1, 2], [5, 5])), 0))
  t.ok(close(confidenceOf('classification', output([1, 2], [1000, -1000])), 1))
})

test('steps of a line of text are averaged', async t => {
  t.ok(close(confidenceOf('text', output([1, 2, 2], [1, 0, 0.5, 0.5])), 0.5))
})

test('tasks without classes have none', async t => {
  t.equal(confidenceOf('regression', output([1, 3], [1, 2, 3])), undefined)
  t.equal(confidenceOf('classification', output([1, 1], [1])), undefined)
  t.equal(confidenceOf('classification', undefined), undefined)
  t.equal(confidenceOf('classification', output([1, 2], [Number.NaN, 1])), undefined)
})
