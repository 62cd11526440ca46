import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import type { Graph, Model } from '../../../src/graph/graph.js'
import { loadModel } from '../../../src/graph/onnx/load.js'
import { readModel } from '../../../src/graph/onnx/read.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import { prepareModel } from '../../../src/graph/passes/prepare.js'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'
import { subgraphsOf } from '../../../src/graph/verify.js'
import { packageRoot } from '../../../src/paths.js'
import { buildGraph, buildModel, difference, f32, floats, i64, op, runModel, seeded, seededFloats } from '../../fixtures/graph-builder.js'
import { evaluateHere } from '../../fixtures/rewritten.js'

const shared = join(packageRoot, '../shared/models')

function feedsOf({ inputs }: Graph, seed: number): Record<string, Tensor> {
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape = [] }): [string, Tensor] => {
      const sizes = shape.map(size => (typeof size === 'number' ? size : 2))
      const values = floats(sizes, seed)
      if (dtype === 'int64')
        return [
          name,
          { dtype, shape: sizes, data: BigInt64Array.from([...values.data], value => BigInt(Math.trunc(Number(value) * 4 + 5))) },
        ]
      if (dtype === 'int32')
        return [name, { dtype, shape: sizes, data: Int32Array.from([...values.data], value => Math.trunc(Number(value) * 4 + 5)) }]
      return [name, values]
    }),
  )
}

const counts = ({ graph }: Model): Record<string, number> => {
  const found: Record<string, number> = {}
  for (const { opType } of graph.nodes) found[opType] = (found[opType] ?? 0) + 1
  return found
}

test('prepared models compute what they did', async t => {
  const left: Record<string, Record<string, number>> = {
    'fashion-resnet': { Conv: 9, Relu: 7, Add: 3, GlobalAveragePool: 1, Flatten: 1, Gemm: 1 },
    'fashion-mobile': {
      Conv: 18,
      HardSwish: 7,
      Clip: 4,
      Add: 3,
      GlobalAveragePool: 3,
      Relu: 2,
      HardSigmoid: 2,
      Mul: 2,
      Flatten: 1,
      Gemm: 2,
    },
    'fashion-elu': { Conv: 5, Elu: 4, PRelu: 2, AveragePool: 1, Flatten: 1, Gemm: 2 },
    'fashion-outlier': { Conv: 9, Relu: 7, Add: 3, GlobalAveragePool: 1, Flatten: 1, Gemm: 1 },
  }
  t.ok(existsSync(shared), 'a copy of shared/ stands beside the checkout')
  for (const name of [...Object.keys(left), 'fashion-qat-qdq', 'lang-transformer', 'ratings-mlp', 'sensor-gru']) {
    const model = loadModel(join(shared, `${name}.onnx`))
    const feeds = feedsOf(model.graph, 5)
    const before = writeModel(model)
    const prepared = await prepareModel(model, { evaluate: evaluateHere, verify: true })
    const apart = difference(await runModel(model, feeds), await runModel(prepared, feeds))
    t.ok(apart < 1e-5, `${name}: outputs differ by ${apart}`)
    if (left[name] !== undefined) t.same(counts(prepared), left[name], name)
    t.equal(Buffer.compare(writeModel(model), before), 0, `${name}: the model handed in is as it was`)
    t.same(
      prepared.graph.inputs.map(input => input.name),
      model.graph.inputs.map(input => input.name),
      `${name}: inputs`,
    )
    t.same(
      prepared.graph.outputs.map(output => output.name),
      model.graph.outputs.map(output => output.name),
      `${name}: outputs`,
    )
    const again = await prepareModel(readModel(writeModel(prepared)), { evaluate: evaluateHere })
    t.equal(Buffer.compare(writeModel(again), writeModel(prepared)), 0, `${name}: preparing twice changes nothing`)
  }
})

test('a model of opset 9 with its weights in Constants comes out lifted and fused', async t => {
  const value = (tensor: ReturnType<typeof f32>) => ({ value: { kind: 'tensor', value: tensor } as const })
  const positive = f32(
    [4],
    seededFloats(4, 3).map(number => Math.abs(number) + 0.1),
  )
  const model = buildModel({
    opset: 9,
    irVersion: 3,
    inputs: { 'input:0': ['float32', ['N', 3, 8, 8]] },
    outputs: { '53': ['float32'] },
    nodes: [
      op('Constant', [], 'w', value(seeded([4, 3, 3, 3]))),
      op('Identity', ['w'], 'w2'),
      op('Constant', [], 'g', value(seeded([4], 2))),
      op('Constant', [], 'v', value(positive)),
      op('Constant', [], 'three', value(f32([1], [3]))),
      op('Constant', [], 'six', value(f32([1], [6]))),
      op('Conv', ['input:0', 'w2'], 'c'),
      op('BatchNormalization', ['c', 'g', 'g', 'g', 'v'], 'n'),
      op('Add', ['n', 'three'], 'a'),
      op('Clip', ['a'], 'k', { min: { kind: 'float', value: 0 }, max: { kind: 'float', value: 6 } }),
      op('Mul', ['n', 'k'], 'm'),
      op('Div', ['m', 'six'], '53'),
    ],
  })
  const feeds = feedsOf(model.graph, 1)
  const prepared = await prepareModel(model, { evaluate: evaluateHere, verify: true })
  t.same(
    prepared.graph.nodes.map(({ opType }) => opType),
    ['Conv', 'HardSwish'],
  )
  t.equal(prepared.opsets.get(''), 17)
  t.ok(difference(await runModel(model, feeds), await runModel(prepared, feeds)) < 1e-5)
})

test('what cannot be lifted is refused, or left at its opset on request', async t => {
  const model = buildModel({
    opset: 9,
    inputs: { x: ['float32', [2]] },
    outputs: { y: ['float32'] },
    nodes: [op('ImageScaler', ['x'], 'y')],
  })
  await t.rejects(prepareModel(model, { evaluate: evaluateHere }), { code: 'ERR_ONNX_UPGRADE' })
  const kept = await prepareModel(model, { evaluate: evaluateHere, lift: false })
  t.equal(kept.opsets.get(''), 9)
})

test('bodies of loops, scans and branches are prepared where they stand', async t => {
  const value = (tensor: ReturnType<typeof f32>) => ({ value: { kind: 'tensor', value: tensor } as const })
  const body = buildGraph({
    inputs: { i: ['int64', []], go: ['bool', []], state: ['float32', ['N', 3, 4, 4]] },
    outputs: { still: ['bool', []], next: ['float32', ['N', 3, 4, 4]], shown: ['float32'] },
    nodes: [
      op('Identity', ['go'], 'still'),
      op('Constant', [], 'kw', value(seeded([3, 3, 1, 1]))),
      op('Identity', ['kw'], 'kv'),
      op('Conv', ['state', 'kv'], 'c'),
      op('BatchNormalization', ['c', 'g', 'g', 'g', 'v'], 'n'),
      op('Add', ['n', 'same'], 'next'),
      op('ReduceMean', ['next'], 'shown', { axes: { kind: 'ints', value: [2, 3] } }),
    ],
  })
  const step = buildGraph({
    inputs: { sum: ['float32', [3]], row: ['float32', [3]] },
    outputs: { more: ['float32', [3]], out: ['float32', [3]] },
    nodes: [op('Identity', ['row'], 'r'), op('Add', ['sum', 'r'], 'a'), op('Identity', ['a'], 'more'), op('Squeeze', ['r'], 'out')],
  })
  const branch = (opType: string) =>
    buildGraph({
      inputs: {},
      outputs: { z: ['float32'] },
      nodes: [op('Identity', ['same'], 'o'), op(opType, ['o'], 'q'), op('Identity', ['q'], 'z')],
    })
  const model = buildModel({
    opset: 11,
    inputs: { x: ['float32', ['N', 3, 4, 4]] },
    outputs: { last: ['float32'], shown: ['float32'], sums: ['float32'], chosen: ['float32'] },
    constants: { times: i64([], [3]), g: seeded([3], 2), v: f32([3], [1, 2, 3]), start: f32([3], [0, 0, 0]), zero: f32([], [0]) },
    nodes: [
      op('Identity', ['x'], 'same'),
      op('ReduceSum', ['x'], 'total', { keepdims: { kind: 'int', value: 0 } }),
      op('Greater', ['total', 'zero'], 'positive'),
      op('Cast', ['times'], 'go', { to: { kind: 'int', value: 9 } }),
      op('Loop', ['times', 'go', 'same'], ['last', 'shown'], { body: { kind: 'graph', value: body } }),
      op('ReduceMax', ['x'], 'rows', { axes: { kind: 'ints', value: [2, 3] }, keepdims: { kind: 'int', value: 0 } }),
      op('Scan', ['start', 'rows'], ['end', 'sums'], { body: { kind: 'graph', value: step }, num_scan_inputs: { kind: 'int', value: 1 } }),
      op('If', ['positive'], 'chosen', {
        then_branch: { kind: 'graph', value: branch('Relu') },
        else_branch: { kind: 'graph', value: branch('Neg') },
      }),
    ],
  })
  const feeds = { x: floats([2, 3, 4, 4]) }
  const prepared = await prepareModel(model, { evaluate: evaluateHere, verify: true })
  t.ok(difference(await runModel(model, feeds), await runModel(prepared, feeds)) < 1e-5)
  const inside = Object.fromEntries(
    prepared.graph.nodes.map(node => [node.opType, subgraphsOf(node).map(graph => graph.nodes.map(({ opType }) => opType))]),
  )
  t.same(inside.Loop, [['Identity', 'Conv', 'Add', 'GlobalAveragePool']])
  t.same(inside.Scan, [['Add', 'Squeeze']])
  t.same(inside.If, [['Relu'], ['Neg']])
})

test('at its own opset a model is prepared as far as its operators go', async t => {
  const model = buildModel({
    opset: 9,
    irVersion: 4,
    inputs: { x: ['float32', ['N', 3, 4, 4]] },
    outputs: { y: ['float32'] },
    constants: { w: seeded([4, 3, 1, 1]), g: seeded([4], 2), v: f32([4], [1, 2, 3, 4]) },
    nodes: [
      op('Conv', ['x', 'w'], 'c'),
      op('BatchNormalization', ['c', 'g', 'g', 'g', 'v'], 'n'),
      op('Dropout', ['n'], 'd'),
      op('Shape', ['d'], 's'),
      op('Slice', ['s'], 'b', { starts: { kind: 'ints', value: [0] }, ends: { kind: 'ints', value: [2] } }),
      op('Reshape', ['d', 'to'], 'r'),
      op('Cast', ['b'], 'i', { to: { kind: 'int', value: 7 } }),
      op('Concat', ['i', 'rest'], 'to', { axis: { kind: 'int', value: 0 } }),
      op('Softmax', ['r'], 'y', { axis: { kind: 'int', value: 2 } }),
    ].sort((a, b) => Number(a.name === 'r' || a.name === 'y') - Number(b.name === 'r' || b.name === 'y')),
  })
  model.graph.initializers.set('rest', i64([1], [16]))
  const prepared = await prepareModel(model, { evaluate: evaluateHere, lift: false, verify: true })
  t.same(
    prepared.graph.nodes.map(({ opType }) => opType),
    ['Conv', 'Reshape', 'Softmax'],
  )
  t.equal(prepared.opsets.get(''), 9)
  const feeds = { x: floats([2, 3, 4, 4]) }
  t.ok(difference(await runModel(model, feeds), await runModel(prepared, feeds)) < 1e-5)
})

test('a scale computed from constants and declared sizes is known to the upgrade', async t => {
  const model = buildModel({
    opset: 10,
    irVersion: 5,
    inputs: { x: ['float32', ['N', 3, 4, 6]] },
    outputs: { y: ['float32'] },
    constants: { from: i64([1], [2]), to: i64([1], [4]), two: f32([], [2]), ones: f32([2], [1, 1]) },
    nodes: [
      op('Shape', ['x'], 's'),
      op('Slice', ['s', 'from', 'to'], 'hw'),
      op('Cast', ['hw'], 'f', { to: { kind: 'int', value: 1 } }),
      op('Mul', ['f', 'two'], 'wanted'),
      op('Div', ['wanted', 'f'], 'ratio'),
      op('Concat', ['ones', 'ratio'], 'scales', { axis: { kind: 'int', value: 0 } }),
      op('Resize', ['x', 'scales'], 'y'),
    ],
  })
  const feeds = { x: floats([2, 3, 4, 6]) }
  const prepared = await prepareModel(model, { evaluate: evaluateHere, verify: true })
  t.same(
    prepared.graph.nodes.map(({ opType }) => opType),
    ['Resize'],
  )
  t.equal(difference(await runModel(model, feeds), await runModel(prepared, feeds)), 0)
})
