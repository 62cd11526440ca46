import { test } from 'tap'
import { float, int } from '../../../src/graph/node.js'
import { fuseBias } from '../../../src/graph/passes/fuse-bias.js'
import { f32, op, seeded } from '../../fixtures/graph-builder.js'
import { assertRewritten, opTypes } from '../../fixtures/rewritten.js'

test('a summand per channel goes into the bias, old and new', async t => {
  const constants = { w: seeded([5, 3, 3, 3]), b: seeded([5], 2), c: seeded([1, 5, 1, 1], 3), d: f32([], [0.5]) }
  for (const [title, inputs, next] of [
    ['no bias', ['x', 'w'], op('Add', ['a', 'c'], 'y')],
    ['with bias', ['x', 'w', 'b'], op('Add', ['c', 'a'], 'y')],
    ['scalar', ['x', 'w', 'b'], op('Sub', ['a', 'd'], 'y')],
  ] as const) {
    const graph = await assertRewritten(t, fuseBias, { title, changes: 1, constants, nodes: [op('Conv', inputs, 'a'), next] })
    t.same(opTypes(graph), ['Conv'], title)
  }
  const gemm = { w: seeded([4, 6]), b: seeded([4], 2), c: seeded([1, 4], 3) }
  const nodes = [op('Gemm', ['x', 'w', 'b'], 'a', { transB: int(1), beta: float(2) }), op('Add', ['a', 'c'], 'y')]
  await assertRewritten(t, fuseBias, { title: 'Gemm', changes: 1, shape: ['N', 6], constants: gemm, nodes })
})

test('a residual, another axis, a constant minus the result, and a result read twice stay', async t => {
  const constants = { w: seeded([3, 3, 1, 1]), c: seeded([8], 3), d: f32([], [1]) }
  for (const [title, next] of [
    ['residual', [op('Add', ['a', 'x'], 'y')]],
    ['width', [op('Add', ['a', 'c'], 'y')]],
    ['turned around', [op('Sub', ['d', 'a'], 'y')]],
    ['two readers', [op('Add', ['a', 'd'], 'e'), op('Mul', ['a', 'e'], 'y')]],
  ] as const) {
    await assertRewritten(t, fuseBias, { title, changes: 0, constants, nodes: [op('Conv', ['x', 'w'], 'a'), ...next] })
  }
})
