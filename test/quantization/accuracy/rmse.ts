import { test } from 'tap'
import { rmse } from '../../../src/quantization/accuracy/rmse.js'

const row = (...values: number[]) => ({ dtype: 'float32', shape: [1, values.length], data: Float32Array.from(values) }) as const

test('an item gives the mean squared error of its row, the total its root', async t => {
  const output = row(1, 2, 3)
  t.equal(rmse.start().add({ output, float: output, label: [1, 4, 3], alphabet: [] }), 4 / 3)
  t.equal(rmse.start().add({ output: row(3), float: output, label: 1, alphabet: [] }), 4)
  const tally = rmse.start()
  tally.add({ output: row(3), float: output, label: 1, alphabet: [] })
  t.equal(tally.value(), 2)
})
