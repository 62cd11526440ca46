import { test } from 'tap'
import { top1 } from '../../../src/quantization/accuracy/top1.js'

const row = (...values: number[]) => ({ dtype: 'float32', shape: [1, values.length], data: Float32Array.from(values) }) as const

test('an item counts when its largest output is its label', async t => {
  const output = row(0.1, 0.7, 0.2)
  t.equal(top1.start().add({ output, float: output, label: 1, alphabet: [] }), 1)
  t.equal(top1.start().add({ output, float: output, label: 2, alphabet: [] }), 0)
})
