import { test } from 'tap'
import { int, ints } from '../../../src/graph/node.js'
import { scaleIntoNext } from '../../../src/graph/passes/scale-into-next.js'
import { f32, op, seeded } from '../../fixtures/graph-builder.js'
import { assertRewritten, opTypes } from '../../fixtures/rewritten.js'

const constants = {
  w: seeded([5, 3, 3, 3]),
  d: seeded([3, 1, 3, 3]),
  b: seeded([5], 2),
  s: f32([1], [0.7]),
  t: f32([1], [-0.3]),
  zero: f32([], [0]),
  c: seeded([3, 1, 1]),
}
const padded = { pads: ints([1, 1, 1, 1]) }

test('a number that multiplies the data of a convolution goes into its weights', async t => {
  for (const scale of [op('Mul', ['s', 'x'], 'a'), op('Div', ['x', 's'], 'a')]) {
    const nodes = [scale, op('Conv', ['a', 'w', 'b'], 'y', padded)]
    t.same(opTypes(await assertRewritten(t, scaleIntoNext, { title: scale.opType, changes: 1, constants, nodes })), ['Conv'])
  }
  const matmul = [op('Mul', ['x', 's'], 'a'), op('MatMul', ['a', 'm'], 'y')]
  const matrix = { ...constants, m: seeded([8, 4]) }
  t.same(opTypes(await assertRewritten(t, scaleIntoNext, { title: 'MatMul', changes: 1, constants: matrix, nodes: matmul })), ['MatMul'])
})

test('behind a factor and a summand the summand stays, divided by the factor', async t => {
  const graph = await assertRewritten(t, scaleIntoNext, {
    title: 'affine',
    changes: 1,
    constants,
    nodes: [op('Mul', ['s', 'x'], 'a'), op('Add', ['a', 't'], 'e'), op('Conv', ['e', 'd'], 'y', { ...padded, group: int(3) })],
  })
  t.same(opTypes(graph), ['Add', 'Conv'])
})

test('two convolutions that read it both take it', async t => {
  const nodes = [op('Mul', ['s', 'x'], 'a'), op('Conv', ['a', 'w'], 'e'), op('Conv', ['a', 'w', 'b'], 'f'), op('Add', ['e', 'f'], 'y')]
  t.same(opTypes(await assertRewritten(t, scaleIntoNext, { title: 'two', changes: 1, constants, nodes })), ['Conv', 'Conv', 'Add'])
})

test('the half of a GELU written with Erf stays with it', async t => {
  const nodes = [
    op('Div', ['x', 'root'], 'd'),
    op('Erf', ['d'], 'e'),
    op('Add', ['e', 'one'], 'p'),
    op('Mul', ['x', 'p'], 'g'),
    op('Mul', ['g', 'half'], 'h'),
    op('MatMul', ['h', 'm'], 'y'),
  ]
  const gelu = { root: f32([], [Math.SQRT2]), one: f32([], [1]), half: f32([], [0.5]), m: seeded([8, 4]) }
  await assertRewritten(t, scaleIntoNext, { title: 'GELU', changes: 0, constants: gelu, nodes })
})

test('other readers, zero, and factors per channel stay', async t => {
  const cases = {
    'another reader': [op('Mul', ['s', 'x'], 'a'), op('Conv', ['a', 'd'], 'e', { ...padded, group: int(3) }), op('Add', ['e', 'a'], 'y')],
    zero: [op('Mul', ['zero', 'x'], 'a'), op('Conv', ['a', 'w'], 'y')],
    'per channel': [op('Mul', ['c', 'x'], 'a'), op('Conv', ['a', 'w'], 'y')],
    'product read twice': [
      op('Mul', ['s', 'x'], 'a'),
      op('Add', ['a', 't'], 'e'),
      op('Conv', ['e', 'd'], 'f', { ...padded, group: int(3) }),
      op('Add', ['f', 'a'], 'y'),
    ],
  }
  for (const [title, nodes] of Object.entries(cases)) await assertRewritten(t, scaleIntoNext, { title, changes: 0, constants, nodes })
})
