import { test } from 'tap'
import { int } from '../../../src/graph/node.js'
import { quantizeWeights } from '../../../src/quantization/algorithms/quantize-weights.js'
import type { Unit } from '../../../src/quantization/placement/unit.js'
import { buildGraph, f32, op } from '../../fixtures/graph-builder.js'

function weightsOf({
  opType,
  shape,
  values,
  transB = 0,
  range = 'full',
}: {
  opType: string
  shape: number[]
  values: number[]
  transB?: number
  range?: 'full' | 'half'
}) {
  const node = op(opType, ['x', 'w'], 'y', opType === 'Gemm' ? { transB: int(transB) } : {})
  const graph = buildGraph({ inputs: { x: ['float32'] }, outputs: { y: ['float32'] }, constants: { w: f32(shape, values) }, nodes: [node] })
  const unit: Unit = { form: 'linear', main: node, folded: [], data: ['x'], outputs: ['y'], weight: 'w' }
  return quantizeWeights(graph, unit, range)
}

test('channels lie where the operator has them', async t => {
  const values = [1, 2, 3, 4, 5, 6]
  for (const [opType, shape, transB, axis, largest] of [
    ['Conv', [2, 3, 1, 1], 0, 0, [3, 6]],
    ['Gemm', [2, 3], 1, 0, [3, 6]],
    ['Gemm', [2, 3], 0, 1, [4, 5, 6]],
    ['MatMul', [2, 3], 0, 1, [4, 5, 6]],
    ['MatMul', [1, 2, 3], 0, undefined, [6]],
  ] as const) {
    const weights = weightsOf({ opType, shape: [...shape], values, transB })
    t.equal(weights.axis, axis, `${opType} [${shape}] transB ${transB}`)
    t.same(
      [...weights.scales],
      largest.map(value => Math.fround(value / 127)),
      `${opType} [${shape}]`,
    )
  }
})

test('codes stay within -127..127, in half range within -64..64', async t => {
  t.same([...weightsOf({ opType: 'Conv', shape: [1, 4, 1, 1], values: [-1, 1, 0.5, 0] }).codes], [-127, 127, 64, 0])
  t.same([...weightsOf({ opType: 'Conv', shape: [1, 4, 1, 1], values: [-1, 1, 0.5, 0], range: 'half' }).codes], [-64, 64, 32, 0])
})
