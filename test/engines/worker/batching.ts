import fc from 'fast-check'
import { test } from 'tap'
import { batchOf, canShare, isBatchable, joinBatches, splitBatches } from '../../../src/engines/worker/batching.js'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'

const f32 = (shape: readonly number[], values: readonly number[]): Tensor => ({ dtype: 'float32', shape, data: Float32Array.from(values) })

test('splitting undoes joining', async t => {
  const rows = fc.array(fc.array(fc.float({ noNaN: true }), { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(fc.array(rows, { minLength: 1, maxLength: 5 }), batches => {
      const parts = batches.map(batch => ({
        x: f32([batch.length, 2], batch.flat()),
        k: f32(
          [batch.length],
          batch.map(() => 1),
        ),
      }))
      const joined = joinBatches(parts)
      t.strictSame(
        splitBatches(
          joined,
          batches.map(batch => batch.length),
        ),
        parts,
      )
    }),
    { numRuns: 50, seed: 2 },
  )
})

test('requests share an inference only when all but the batch axis is equal', async t => {
  t.ok(canShare({ x: f32([1, 2], [1, 2]) }, { x: f32([2, 2], [1, 2, 3, 4]) }))
  t.notOk(canShare({ x: f32([1, 2], [1, 2]) }, { x: f32([1, 3], [1, 2, 3]) }))
  t.notOk(canShare({ x: f32([1, 2], [1, 2]) }, { x: f32([2], [1, 2]) }))
  t.equal(batchOf({ x: f32([2], [1, 2]), y: f32([1], [1]) }), undefined)
})

test('a fixed or missing batch axis forbids sharing', async t => {
  const spec = (shape: (number | string | undefined)[]) => ({ name: 'x', dtype: 'float32', shape }) as const
  t.ok(isBatchable({ inputs: [spec(['n', 3])], outputs: [spec([undefined, 2])] }))
  t.notOk(isBatchable({ inputs: [spec(['n', 3]), spec([])], outputs: [spec(['n'])] }))
  t.notOk(isBatchable({ inputs: [spec(['n', 3])], outputs: [spec([1, 2])] }))
})

test('outputs that do not follow the batch are not cut', async t => {
  t.equal(splitBatches({ y: f32([1, 2], [1, 2]) }, [1, 1]), undefined)
})
