import { test } from 'tap'
import { cosine } from '../../../src/quantization/accuracy/cosine.js'

const row = (...values: number[]) => ({ dtype: 'float32', shape: [1, values.length], data: Float32Array.from(values) }) as const

test('the mean of the cosines of the items', async t => {
  const tally = cosine.start()
  const add = (output: ReturnType<typeof row>, float: ReturnType<typeof row>) => tally.add({ output, float, label: 1, alphabet: [] })
  t.equal(add(row(2, 0), row(5, 0)), 1, 'length does not matter')
  t.equal(add(row(0, 1), row(1, 0)), 0)
  t.equal(add(row(3, 4), row(4, 3)), 24 / 25)
  t.equal(add(row(0, 0), row(0, 0)), 1)
  t.equal(tally.value(), (1 + 0 + 24 / 25 + 1) / 4)
})
