import { test } from 'tap'
import { type Piece, takeApart } from '../../../src/quantization/statistics/figures.js'

const pieces: readonly Piece[] = [
  { value: 'late', kind: 'extremes', at: 2, length: 1 },
  { value: 'late', kind: 'means', at: 0, length: 2 },
  { value: 'early', kind: 'extremes', at: 0, length: 1 },
  { value: 'early', kind: 'extremes', at: 1, length: 1 },
]

test('figures are put in the order of their kind, whatever the order in which they come', async t => {
  const vectors = takeApart(Float32Array.of(5, 6, 10, 20, 1, 2, 3, 4), pieces, 2)
  t.same([...vectors.extremes!], [1, 2, 3, 4, 5, 6])
  t.same([...vectors.means!], [10, 20], 'means are of the run, not of its samples')
  t.equal(vectors.channels, undefined)
})

test('another number of channels than at the first sample is refused', async t => {
  t.throws(() => takeApart(new Float32Array(9), pieces, 2), { code: 'ERR_QUANT_RANGE', message: /number of channels changes/ })
})
