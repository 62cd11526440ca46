import { test } from 'tap'
import { int, ints, string } from '../../../src/graph/node.js'
import { foldShapes } from '../../../src/graph/passes/fold-shapes.js'
import { constantData } from '../../../src/graph/tensor/tensor.js'
import { floats, i64, op, seeded } from '../../fixtures/graph-builder.js'
import { assertRewritten, opTypes } from '../../fixtures/rewritten.js'

const one = { zero: i64([], [0]), axes0: i64([1], [0]) }
const unit = (value: number) => i64([], [value])

/** pad = max((ceil(size / 2) - 1) * 2 + 3 - size, 0), half before and the rest behind, as PyTorch code for 'same' writes it. */
function samePadding(axis: 2 | 3) {
  const p = axis === 2 ? 'h' : 'w'
  return [
    op('Shape', ['x'], `${p}shape`),
    op('Gather', [`${p}shape`, `at${axis}`], `${p}size`),
    op('Add', [`${p}size`, 'one'], `${p}up`),
    op('Div', [`${p}up`, 'two'], `${p}out`),
    op('Sub', [`${p}out`, 'one'], `${p}less`),
    op('Mul', [`${p}less`, 'two'], `${p}span`),
    op('Add', [`${p}span`, 'three'], `${p}need`),
    op('Sub', [`${p}need`, `${p}size`], `${p}pad`),
    op('Max', [`${p}pad`, 'zero'], `${p}whole`),
    op('Div', [`${p}whole`, 'two'], `${p}begin`),
    op('Sub', [`${p}whole`, `${p}begin`], `${p}end`),
    op('Unsqueeze', [`${p}begin`, 'axes0'], `${p}b`),
    op('Unsqueeze', [`${p}end`, 'axes0'], `${p}e`),
  ]
}

test("padding for 'same' computed at run time becomes a constant while the batch is free", async t => {
  const graph = await assertRewritten(t, foldShapes, {
    title: 'same',
    changes: 26,
    shape: ['N', 3, 8, 7],
    constants: {
      ...one,
      one: unit(1),
      two: unit(2),
      three: unit(3),
      at2: unit(2),
      at3: unit(3),
      none: i64([2], [0, 0]),
      w: seeded([4, 3, 3, 3]),
    },
    nodes: [
      ...samePadding(2),
      ...samePadding(3),
      op('Concat', ['none', 'hb', 'wb', 'none', 'he', 'we'], 'joined', { axis: int(0) }),
      op('Cast', ['joined'], 'pads', { to: int(7) }),
      op('Pad', ['x', 'pads'], 'p', { mode: string('constant') }),
      op('Conv', ['p', 'w'], 'y', { strides: ints([2, 2]) }),
    ],
  })
  t.same(
    opTypes(graph).filter(name => name !== 'Shape'),
    ['Pad', 'Conv'],
  )
  t.same([...constantData(graph.constant('pads')!)].map(Number), [0, 0, 0, 1, 0, 0, 1, 1])
})

test('a reshape that keeps the free batch gets a constant shape', async t => {
  const graph = await assertRewritten(t, foldShapes, {
    title: 'flatten by hand',
    changes: 1,
    constants: { ...one, minus: i64([1], [-1]) },
    nodes: [
      op('Shape', ['x'], 's'),
      op('Gather', ['s', 'zero'], 'n'),
      op('Unsqueeze', ['n', 'axes0'], 'n1'),
      op('Concat', ['n1', 'minus'], 'to', { axis: int(0) }),
      op('Reshape', ['x', 'to'], 'y'),
    ],
  })
  const shape = graph.constant(graph.nodes.find(({ opType }) => opType === 'Reshape')!.inputs[1]!)!
  t.same([...constantData(shape)], [0n, -1n])
})

test('sizes behind convolutions and pools are followed, whatever the exporter does with them', async t => {
  for (const [title, attributes] of [
    ['padded', { pads: ints([1, 1, 1, 1]), strides: ints([2, 2]) }],
    ['dilated', { dilations: ints([2, 2]) }],
    ['same upper', { auto_pad: string('SAME_UPPER'), strides: ints([3, 2]) }],
    ['valid', { auto_pad: string('VALID') }],
  ] as const) {
    const graph = await assertRewritten(t, foldShapes, {
      title,
      changes: 2,
      shape: ['N', 3, 11, 9],
      constants: { w: seeded([4, 3, 3, 3]), from: i64([1], [2]), to: i64([1], [4]) },
      outputs: { y: ['float32'] },
      nodes: [
        op('Conv', ['x', 'w'], 'c', attributes),
        op('MaxPool', ['c'], 'p', { kernel_shape: ints([2, 2]), strides: ints([2, 2]), ceil_mode: int(1) }),
        op('Shape', ['p'], 's'),
        op('Slice', ['s', 'from', 'to'], 'hw'),
        op('Cast', ['hw'], 'f', { to: int(1) }),
        op('ReduceSum', ['f'], 'area', { keepdims: int(0) }),
        op('Mul', ['p', 'area'], 'y'),
      ],
    })
    t.notOk(opTypes(graph).includes('Slice'), title)
  }
})

test('two sizes that share a name are not taken for equal', async t => {
  const graph = await assertRewritten(t, foldShapes, {
    title: 'height and width swapped',
    changes: 0,
    inputs: { x: ['float32', ['N', 'dynamic', 'dynamic']] },
    feeds: { x: floats([2, 3, 5]) },
    constants: { ...one, one: unit(1), two: unit(2) },
    nodes: [
      op('Shape', ['x'], 's'),
      ...['zero', 'two', 'one'].flatMap(at => [op('Gather', ['s', at], `d${at}`), op('Unsqueeze', [`d${at}`, 'axes0'], `u${at}`)]),
      op('Concat', ['uzero', 'utwo', 'uone'], 'to', { axis: int(0) }),
      op('Reshape', ['x', 'to'], 'y'),
    ],
  })
  t.ok(opTypes(graph).includes('Concat'))
})

test('what depends on the free batch stays', async t => {
  await assertRewritten(t, foldShapes, {
    title: 'batch',
    changes: 0,
    outputs: { y: ['float32'], n: ['int64'] },
    constants: one,
    nodes: [op('Shape', ['x'], 's'), op('Gather', ['s', 'zero'], 'n'), op('Cast', ['n'], 'f', { to: int(1) }), op('Mul', ['x', 'f'], 'y')],
  })
})

test('integer division and remainder round as the engine does', async t => {
  const cases: [string, number, number][] = [
    ['Div', -7, 2],
    ['Div', 7, -2],
    ['Mod', -7, 3],
    ['Mod', 7, -3],
    ['Sub', 3, 9],
    ['Min', -4, 2],
    ['Mul', -3, 5],
  ]
  for (const [name, a, b] of cases) {
    const graph = await assertRewritten(t, foldShapes, {
      title: `${name}(${a}, ${b})`,
      changes: 2,
      constants: { a: i64([1], [a]), b: i64([1], [b]) },
      nodes: [op(name, ['a', 'b'], 'c'), op('Cast', ['c'], 'f', { to: int(1) }), op('Mul', ['x', 'f'], 'y')],
    })
    t.same(opTypes(graph), ['Mul'])
  }
})

test('slices of shapes with negative ends and steps are those of the engine', async t => {
  for (const [start, end, step] of [
    [-3, 100, 1],
    [3, -100, -1],
    [0, 4, 2],
    [-1, 0, -2],
    [5, 9, 1],
  ]) {
    await assertRewritten(t, foldShapes, {
      title: `${start}:${end}:${step}`,
      changes: 2,
      shape: [5, 3, 8, 8],
      constants: { a: i64([1], [start!]), b: i64([1], [end!]), z: i64([1], [0]), d: i64([1], [step!]) },
      outputs: { y: ['float32'], z2: ['float32'] },
      nodes: [
        op('Shape', ['x'], 's'),
        op('Slice', ['s', 'a', 'b', 'z', 'd'], 't'),
        op('Cast', ['t'], 'z2', { to: int(1) }),
        op('Relu', ['x'], 'y'),
      ],
    })
  }
})
