import { test } from 'tap'
import { int } from '../../../src/graph/node.js'
import { biasShift } from '../../../src/quantization/algorithms/fast-bias-correction.js'
import { op } from '../../fixtures/graph-builder.js'

const unitOf = (main: ReturnType<typeof op>) => ({ form: 'linear', main, folded: [], data: ['x'], outputs: ['y'], weight: 'w' }) as const

test('the shift is what rounding the weights takes from the mean of the output', async t => {
  // one output channel, two inputs: weights 0.9 and 0.2 become 1 and 0 at scale 1.
  const weights = { codes: Int8Array.of(1, 0), values: Float32Array.of(0.9, 0.2), scales: Float32Array.of(1), shape: [1, 2, 1, 1], axis: 0 }
  const [shift] = biasShift({ unit: unitOf(op('Conv', ['x', 'w'], 'y')), weights, means: Float64Array.of(10, 5), offset: 0 })
  t.ok(Math.abs(shift! - (10 * (0.9 - 1) + 5 * 0.2)) < 1e-6)
})

test('groups read their own channels', async t => {
  const weights = {
    codes: Int8Array.of(1, 1),
    values: Float32Array.of(1.1, 1.2),
    scales: Float32Array.of(1, 1),
    shape: [2, 1, 1, 1],
    axis: 0,
  }
  const unit = unitOf(op('Conv', ['x', 'w'], 'y', { group: int(2) }))
  const shift = biasShift({ unit, weights, means: Float64Array.of(10, 100), offset: 0 })
  t.same([...shift].map(Math.round), [1, 20])
})

test('matrix products sum along the rows or the columns, as their weights lie', async t => {
  const values = Float32Array.of(1.5, 0, 0, 1.5)
  const codes = Int8Array.of(1, 0, 0, 1)
  const shape = [2, 2]
  const means = Float64Array.of(2, 4)
  const columns = biasShift({
    unit: unitOf(op('MatMul', ['x', 'w'], 'y')),
    weights: { codes, values, scales: Float32Array.of(1, 1), shape, axis: 1 },
    means,
    offset: 0,
  })
  const rows = biasShift({
    unit: unitOf(op('Gemm', ['x', 'w'], 'y', { transB: int(1) })),
    weights: { codes, values, scales: Float32Array.of(1, 1), shape, axis: 0 },
    means,
    offset: 0,
  })
  t.same(
    [[...columns], [...rows]],
    [
      [1, 2],
      [1, 2],
    ],
  )
})

test('what every element of the input lacks is added through the quantized weights', async t => {
  const weights = { codes: Int8Array.of(2, 3), values: Float32Array.of(2, 3), scales: Float32Array.of(1), shape: [1, 2, 1, 1], axis: 0 }
  const [shift] = biasShift({ unit: unitOf(op('Conv', ['x', 'w'], 'y')), weights, means: Float64Array.of(0, 0), offset: 0.5 })
  t.equal(shift, 2.5)
})
