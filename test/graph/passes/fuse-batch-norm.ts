import { test } from 'tap'
import { float, int, ints } from '../../../src/graph/node.js'
import { fuseBatchNorm } from '../../../src/graph/passes/fuse-batch-norm.js'
import type { ConstantTensor } from '../../../src/graph/tensor/tensor.js'
import { f32, op, seeded, seededFloats } from '../../fixtures/graph-builder.js'
import { assertRewritten, opTypes } from '../../fixtures/rewritten.js'

const statistics = (channels: number): Record<string, ConstantTensor> => ({
  g: seeded([channels], 7),
  b: seeded([channels], 8),
  m: seeded([channels], 9),
  v: f32(
    [channels],
    seededFloats(channels, 10).map(value => Math.abs(value) + 0.1),
  ),
})
const norm = (input: string, output = 'y') => op('BatchNormalization', [input, 'g', 'b', 'm', 'v'], output, { epsilon: float(0.001) })

test('normalization goes into the convolution in front of it', async t => {
  const cases: [string, number, readonly string[], readonly number[], Record<string, ReturnType<typeof int>>][] = [
    ['plain', 5, ['x', 'w'], [5, 3, 3, 3], {}],
    ['with bias', 5, ['x', 'w', 'c'], [5, 3, 3, 3], { pads: ints([1, 1, 1, 1]) }],
    ['depthwise', 6, ['x', 'w'], [6, 1, 3, 3], { group: int(3) }],
  ]
  for (const [title, channels, inputs, shape, attributes] of cases) {
    const constants = { w: seeded(shape), c: seeded([channels], 3), ...statistics(channels) }
    const graph = await assertRewritten(t, fuseBatchNorm, {
      title,
      changes: 1,
      constants,
      nodes: [op('Conv', inputs, 'a', attributes), norm('a')],
    })
    t.same(opTypes(graph), ['Conv'], title)
  }
})

test('it goes into transposed convolutions, grouped ones too', async t => {
  for (const [group, shape, channels] of [
    [1, [6, 5, 3, 3], 5],
    [3, [6, 2, 3, 3], 6],
  ] as const) {
    const graph = await assertRewritten(t, fuseBatchNorm, {
      title: `group ${group}`,
      changes: 1,
      shape: ['N', 6, 4, 4],
      constants: { w: seeded(shape), ...statistics(channels) },
      nodes: [op('ConvTranspose', ['x', 'w'], 'a', { group: int(group), strides: ints([2, 2]) }), norm('a')],
    })
    t.same(opTypes(graph), ['ConvTranspose'])
  }
})

test('it goes into Gemm with its alpha and beta, and into a MatMul of two axes', async t => {
  const constants = { w: seeded([4, 6]), wt: seeded([6, 4]), c: seeded([1, 4], 3), ...statistics(4) }
  const gemm = op('Gemm', ['x', 'w', 'c'], 'a', { transB: int(1), alpha: float(0.5), beta: float(2) })
  for (const node of [gemm, op('Gemm', ['x', 'wt'], 'a'), op('MatMul', ['x', 'wt'], 'a')]) {
    const graph = await assertRewritten(t, fuseBatchNorm, {
      title: node.opType,
      changes: 1,
      shape: ['N', 6],
      constants,
      nodes: [node, norm('a')],
    })
    t.same(opTypes(graph), ['Gemm'])
  }
})

test('a MatMul of three axes keeps it: its channels are the axis in the middle', async t => {
  const constants = { w: seeded([6, 4]), ...statistics(4) }
  await assertRewritten(t, fuseBatchNorm, {
    title: 'rank 3',
    changes: 0,
    shape: ['N', 4, 6],
    constants,
    nodes: [op('MatMul', ['x', 'w'], 'a'), norm('a')],
  })
})

test('a bare result that something else reads keeps it', async t => {
  const constants = { w: seeded([3, 3, 1, 1]), ...statistics(3) }
  await assertRewritten(t, fuseBatchNorm, {
    title: 'two readers',
    changes: 0,
    constants,
    nodes: [op('Conv', ['x', 'w'], 'a'), norm('a', 'n'), op('Add', ['a', 'n'], 'y')],
  })
  const outputs = { a: ['float32'], y: ['float32'] } as const
  await assertRewritten(t, fuseBatchNorm, {
    title: 'an output',
    changes: 0,
    constants,
    outputs,
    nodes: [op('Conv', ['x', 'w'], 'a'), norm('a')],
  })
})

test('weights shared by two convolutions are copied', async t => {
  const graph = await assertRewritten(t, fuseBatchNorm, {
    title: 'shared',
    changes: 2,
    constants: { w: seeded([3, 3, 1, 1]), ...statistics(3) },
    nodes: [
      op('Conv', ['x', 'w'], 'a'),
      norm('a', 'n'),
      op('Conv', ['n', 'w'], 'c'),
      op('Relu', ['c'], 'r'),
      op('Conv', ['r', 'w'], 'd'),
      norm('d'),
    ],
  })
  t.equal(new Set(graph.nodes.filter(({ opType }) => opType === 'Conv').map(({ inputs }) => inputs[1])).size, 3)
})
