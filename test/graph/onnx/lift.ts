import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { float, int, ints } from '../../../src/graph/node.js'
import { liftOpset } from '../../../src/graph/onnx/lift.js'
import { upgrades } from '../../../src/graph/onnx/upgrades/catalog.js'
import { unchangedOps } from '../../../src/graph/onnx/upgrades/unchanged.js'
import { packageRoot } from '../../../src/paths.js'
import { buildGraph, buildModel, f32, i64, op, seeded } from '../../fixtures/graph-builder.js'
import { assertLifted } from '../../fixtures/lifted.js'

test('every upgrade file is in the catalog and has its test', async t => {
  const apart = ['catalog', 'upgrade', 'list-input', 'like-scalar', 'unchanged']
  const files = (folder: string) => readdirSync(join(packageRoot, folder)).map(file => file.replace(/\.ts$/, ''))
  const named = files('src/graph/onnx/upgrades').filter(file => !apart.includes(file))
  t.equal(named.length, upgrades.length)
  t.same(named.sort(), files('test/graph/onnx/upgrades').sort())
  for (const op of upgrades.flatMap(({ ops }) => ops)) t.notOk(unchangedOps.has(op), op)
})

test('a model of 17 or later comes back as it is', async t => {
  for (const opset of [17, 20, 23]) {
    const model = buildModel({ opset, inputs: { x: ['float32'] }, outputs: { y: ['float32'] }, nodes: [op('Relu', ['x'], 'y')] })
    t.equal(liftOpset(model), model)
  }
})

test('an operator that no later set has is refused by name, nodes of other domains pass', async t => {
  const fields = { opset: 9, inputs: { x: ['float32'] }, outputs: { y: ['float32'] } } as const
  t.throws(() => liftOpset(buildModel({ ...fields, nodes: [op('ImageScaler', ['x'], 'y')] })), {
    code: 'ERR_ONNX_UPGRADE',
    details: { node: 'y' },
  })
  const custom = buildModel({ ...fields, nodes: [{ ...op('ImageScaler', ['x'], 'y'), domain: 'custom' }] })
  t.equal(liftOpset(custom).opsets.get(''), 17)
})

test('bodies of If and Loop are lifted, their new constants stay inside and collide with nothing', async t => {
  const branch = (start: number) =>
    buildGraph({
      inputs: {},
      outputs: { r: ['float32'] },
      nodes: [op('Slice', ['x'], 'r', { starts: ints([start]), ends: ints([start + 1]) })],
    })
  const body = buildGraph({
    inputs: { i: ['int64', []], go: ['bool', []], sum: ['float32', [3]] },
    outputs: { still: ['bool', []], more: ['float32', [3]] },
    nodes: [op('Identity', ['go'], 'still'), op('Squeeze', ['row'], 's', { axes: ints([0]) }), op('Add', ['sum', 's'], 'more')],
  })
  await assertLifted(t, 'If and Loop', {
    opset: 9,
    shape: [2, 3],
    constants: { zero: f32([], [0]), times: i64([], [3]), start: f32([3], [0, 0, 0]), r_starts: i64([1], [0]) },
    nodes: [
      op('ReduceSum', ['x'], 'total', { keepdims: int(0) }),
      op('Greater', ['total', 'zero'], 'positive'),
      op('If', ['positive'], 'row', { then_branch: { kind: 'graph', value: branch(0) }, else_branch: { kind: 'graph', value: branch(1) } }),
      op('Loop', ['times', 'positive', 'start'], 'y', { body: { kind: 'graph', value: body } }),
    ],
  })
})

test('operators that only took more types since compute the same', async t => {
  const w = seeded([5, 3, 3, 3])
  const cases: [string, Parameters<typeof assertLifted>[2]][] = [
    [
      'Conv',
      {
        opset: 7,
        constants: { w, b: seeded([5]) },
        nodes: [op('Conv', ['x', 'w', 'b'], 'y', { pads: ints([1, 1, 1, 1]), strides: ints([2, 1]) })],
      },
    ],
    [
      'ConvTranspose',
      { opset: 7, constants: { w: seeded([3, 2, 3, 3]) }, nodes: [op('ConvTranspose', ['x', 'w'], 'y', { strides: ints([2, 2]) })] },
    ],
    ['MaxPool', { opset: 7, nodes: [op('MaxPool', ['x'], 'y', { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) })] }],
    ['AveragePool', { opset: 7, nodes: [op('AveragePool', ['x'], 'y', { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) })] }],
    [
      'Gemm',
      {
        opset: 7,
        shape: [2, 3],
        constants: { w: seeded([4, 3]), c: seeded([4]) },
        nodes: [op('Gemm', ['x', 'w', 'c'], 'y', { transB: int(1), alpha: float(0.5) })],
      },
    ],
    ['PRelu', { opset: 7, constants: { s: seeded([3, 1, 1]) }, nodes: [op('PRelu', ['x', 's'], 'y')] }],
    ['Reshape', { opset: 7, constants: { s: i64([3], [0, -1, 4]) }, nodes: [op('Reshape', ['x', 's'], 'y')] }],
    [
      'OneHot',
      {
        opset: 9,
        shape: [4],
        constants: { d: i64([], [3]), v: f32([2], [0, 1]) },
        nodes: [op('Cast', ['x'], 'i', { to: int(7) }), op('OneHot', ['i', 'd', 'v'], 'y')],
      },
    ],
    ['Cast', { opset: 7, outputs: { y: ['int64'] }, nodes: [op('Cast', ['x'], 'y', { to: int(7) })] }],
    ['Flatten', { opset: 7, nodes: [op('Flatten', ['x'], 'y', { axis: int(2) })] }],
    ['Sum', { opset: 7, nodes: [op('Sum', ['x', 'x', 'x'], 'y')] }],
    ['Gather', { opset: 7, constants: { i: i64([2], [2, 0]) }, nodes: [op('Gather', ['x', 'i'], 'y', { axis: int(1) })] }],
    ['Upsampled depth', { opset: 7, shape: [1, 8, 2, 2], nodes: [op('DepthToSpace', ['x'], 'y', { blocksize: int(2) })] }],
  ]
  for (const [title, given] of cases) await assertLifted(t, title, given)
})

test('recurrent layers compute the same', async t => {
  for (const [name, gates] of [
    ['LSTM', 4],
    ['GRU', 3],
    ['RNN', 1],
  ] as const) {
    const constants = { w: seeded([1, gates * 2, 3], 2), r: seeded([1, gates * 2, 2], 3), b: seeded([1, gates * 4], 4) }
    const nodes = [op(name, ['x', 'w', 'r', 'b'], ['y', 'h'], { hidden_size: int(2) })]
    await assertLifted(t, name, { opset: 7, shape: [5, 2, 3], constants, outputs: { y: ['float32'], h: ['float32'] }, nodes })
  }
})
