import { test } from 'tap'
import { rankOfLabel, topK } from '../../../src/quantization/accuracy/top-k.js'
import { top1 } from '../../../src/quantization/accuracy/top1.js'

const row = (...values: number[]) => ({ dtype: 'float32', shape: [1, values.length], data: Float32Array.from(values) }) as const

test('an item counts when its label is among the k largest', async t => {
  const output = row(0.1, 0.4, 0.3, 0.2)
  const counts = (k: number, label: number) => topK.make(k).start().add({ output, float: output, label, alphabet: [] })
  t.same(
    [1, 2, 3, 0].map(label => [1, 2, 3].map(k => counts(k, label))),
    [
      [1, 1, 1],
      [0, 1, 1],
      [0, 0, 1],
      [0, 0, 0],
    ],
  )
  const tally = topK.make(2).start()
  for (const label of [1, 2, 3, 0]) tally.add({ output, float: output, label, alphabet: [] })
  t.equal(tally.value(), 0.5)
})

test('of equal outputs the first comes first, so that k = 1 is top1', async t => {
  const output = row(2, 3, 3)
  t.same(
    [0, 1, 2].map(label => rankOfLabel(output, label)),
    [2, 0, 1],
  )
  for (const label of [0, 1, 2]) {
    const item = { output, float: output, label, alphabet: [] }
    t.equal(topK.make(1).start().add(item), top1.start().add(item))
  }
})

test('what is no class of the output is never found', async t => {
  for (const label of [4, -1, 0.5, 'a', undefined, [1]]) t.equal(rankOfLabel(row(1, 2), label), Number.POSITIVE_INFINITY, String(label))
  t.equal(rankOfLabel(row(Number.NaN, 2), 0), Number.POSITIVE_INFINITY)
})
