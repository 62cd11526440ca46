import { test } from 'tap'
import { float, int, ints } from '../../../src/graph/node.js'
import { fuseScale } from '../../../src/graph/passes/fuse-scale.js'
import { f32, op, seeded } from '../../fixtures/graph-builder.js'
import { assertRewritten, opTypes } from '../../fixtures/rewritten.js'

test('a factor per channel goes into weights and bias', async t => {
  for (const [title, node, second] of [
    ['Mul', 'Mul', seeded([1, 5, 1, 1], 4)],
    ['Mul without batch axis', 'Mul', seeded([5, 1, 1], 4)],
    ['Div by a scalar', 'Div', f32([], [6])],
  ] as const) {
    const constants = { w: seeded([5, 3, 3, 3]), b: seeded([5], 2), s: second }
    const graph = await assertRewritten(t, fuseScale, {
      title,
      changes: 1,
      constants,
      nodes: [op('Conv', ['x', 'w', 'b'], 'a'), op(node, ['a', 's'], 'y')],
    })
    t.same(opTypes(graph), ['Conv'])
  }
  const constants = { w: seeded([6, 2, 2, 2]), s: seeded([4, 1, 1], 4), v: seeded([6, 4]), f: seeded([1, 4], 5) }
  const transposed = op('ConvTranspose', ['x', 'w'], 'a', { group: int(2), strides: ints([2, 2]) })
  await assertRewritten(t, fuseScale, {
    title: 'ConvTranspose',
    changes: 1,
    shape: ['N', 6, 4, 4],
    constants,
    nodes: [transposed, op('Mul', ['s', 'a'], 'y')],
  })
  const gemm = op('Gemm', ['x', 'v', 'f'], 'a', { beta: float(0.5) })
  await assertRewritten(t, fuseScale, { title: 'Gemm', changes: 1, shape: ['N', 6], constants, nodes: [gemm, op('Mul', ['a', 'f'], 'y')] })
})

test('factors along other axes, that widen the result, or are zero stay', async t => {
  for (const [title, shape, values] of [
    ['width', [6], undefined],
    ['more axes', [1, 1, 1, 1, 1], undefined],
    ['zero', [], [0]],
  ] as const) {
    const s = values === undefined ? seeded(shape, 4) : f32(shape, values)
    const nodes = [op('Conv', ['x', 'w'], 'a'), op('Mul', ['a', 's'], 'y')]
    await assertRewritten(t, fuseScale, { title, changes: 0, constants: { w: seeded([6, 3, 3, 3]), s }, nodes })
  }
  const nodes = [op('Conv', ['x', 'w'], 'a'), op('Div', ['s', 'a'], 'y')]
  await assertRewritten(t, fuseScale, { title: 'divided', changes: 0, constants: { w: seeded([6, 3, 3, 3]), s: f32([], [1]) }, nodes })
})
