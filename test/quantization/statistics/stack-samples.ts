import { test } from 'tap'
import { stackSamples, unstack } from '../../../src/quantization/statistics/stack-samples.js'

const sample = (id: string, shape: readonly number[], ...values: number[]) =>
  ({ id, inputs: { x: { dtype: 'float32', shape, data: Float32Array.from(values) } } }) as const

test('samples of one shape stack along axis 0, and their answers come apart again', async t => {
  const stacked = stackSamples([sample('a', [1, 2], 1, 2), sample('b', [1, 2], 3, 4)])!
  t.same(stacked.x, { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) })
  t.same(
    unstack(stacked.x!, 2).map(({ shape, data }) => [shape, [...data]]),
    [
      [
        [1, 2],
        [1, 2],
      ],
      [
        [1, 2],
        [3, 4],
      ],
    ],
  )
})

test('samples of other shapes or without an axis for them do not stack', async t => {
  t.equal(stackSamples([sample('a', [1, 2], 1, 2), sample('b', [1, 1], 3)]), undefined)
  t.equal(stackSamples([sample('a', [2], 1, 2), sample('b', [2], 3, 4)]), undefined)
  t.equal(stackSamples([]), undefined)
})
