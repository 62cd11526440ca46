import { test } from 'tap'
import { float, int, ints, string } from '../../../src/graph/node.js'
import { shiftIntoNext } from '../../../src/graph/passes/shift-into-next.js'
import { f32, op, seeded } from '../../fixtures/graph-builder.js'
import { assertRewritten, opTypes } from '../../fixtures/rewritten.js'

const constants = {
  w: seeded([5, 3, 3, 3]),
  d: seeded([6, 1, 3, 3]),
  b: seeded([5], 2),
  t: f32([1], [-0.3]),
  m: seeded([8, 5]),
  mt: seeded([5, 8]),
}

test('a number added to the data of a convolution without padding goes into its bias', async t => {
  const cases = {
    plain: [op('Add', ['x', 't'], 'a'), op('Conv', ['a', 'w'], 'y', { strides: ints([2, 1]), dilations: ints([1, 2]) })],
    'with bias': [op('Add', ['t', 'x'], 'a'), op('Conv', ['a', 'w', 'b'], 'y', { auto_pad: string('VALID') })],
    grouped: [op('Add', ['x', 't'], 'a'), op('Conv', ['a', 'd'], 'y', { group: int(3) })],
  }
  for (const [title, nodes] of Object.entries(cases)) {
    t.same(opTypes(await assertRewritten(t, shiftIntoNext, { title, changes: 1, constants, nodes })), ['Conv'])
  }
  const gemm = [op('Add', ['x', 't'], 'a'), op('Gemm', ['a', 'mt', 'b'], 'y', { transB: int(1), beta: float(0.5) })]
  t.same(opTypes(await assertRewritten(t, shiftIntoNext, { title: 'Gemm', changes: 1, shape: ['N', 8], constants, nodes: gemm })), ['Gemm'])
})

test('padding, a factor on the product, and other operators keep the sum', async t => {
  const cases = {
    padded: [op('Add', ['x', 't'], 'a'), op('Conv', ['a', 'w'], 'y', { pads: ints([0, 1, 0, 0]) })],
    same: [op('Add', ['x', 't'], 'a'), op('Conv', ['a', 'w'], 'y', { auto_pad: string('SAME_UPPER') })],
    matmul: [op('Add', ['x', 't'], 'a'), op('MatMul', ['a', 'm'], 'y')],
    activation: [op('Add', ['x', 't'], 'a'), op('Relu', ['a'], 'y')],
  }
  for (const [title, nodes] of Object.entries(cases)) await assertRewritten(t, shiftIntoNext, { title, changes: 0, constants, nodes })
  const gemm = [op('Add', ['x', 't'], 'a'), op('Gemm', ['a', 'm'], 'y', { alpha: float(2) })]
  await assertRewritten(t, shiftIntoNext, { title: 'alpha', changes: 0, shape: ['N', 8], constants, nodes: gemm })
})
