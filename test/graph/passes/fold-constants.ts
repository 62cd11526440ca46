import { test } from 'tap'
import { int, ints } from '../../../src/graph/node.js'
import { foldConstants } from '../../../src/graph/passes/fold-constants.js'
import { runPass } from '../../../src/graph/passes/run-pass.js'
import { buildGraph, buildModel, f32, i64, op, seeded } from '../../fixtures/graph-builder.js'
import { assertRewritten, evaluateHere, opTypes } from '../../fixtures/rewritten.js'

test('nodes over constants become their results', async t => {
  const graph = await assertRewritten(t, foldConstants, {
    title: 'weights prepared in the graph',
    changes: 4,
    shape: ['N', 6],
    constants: { w: seeded([4, 6]), half: f32([], [0.5]), s: i64([2], [6, 4]) },
    nodes: [
      op('Transpose', ['w'], 'wt', { perm: ints([1, 0]) }),
      op('Mul', ['wt', 'half'], 'wh'),
      op('Reshape', ['wh', 's'], 'wr'),
      op('Split', ['wr'], ['w1', 'w2'], { axis: int(1) }),
      op('MatMul', ['x', 'w1'], 'a'),
      op('MatMul', ['x', 'w2'], 'b'),
      op('Add', ['a', 'b'], 'y'),
    ],
  })
  t.same(opTypes(graph), ['MatMul', 'MatMul', 'Add'])
})

test('all of a graph is evaluated in one run', async t => {
  const nodes = Array.from({ length: 20 }, (_, i) => op('Neg', ['c'], `n${i}`))
  const model = buildModel({
    inputs: { x: ['float32'] },
    outputs: { y: ['float32'] },
    constants: { c: f32([1], [1]) },
    nodes: [...nodes, op('Sum', ['x', ...nodes.map(({ name }) => name)], 'y')],
  })
  let runs = 0
  const evaluate = async (part: typeof model) => {
    runs += 1
    return await evaluateHere(part)
  }
  t.equal(await runPass(foldConstants, model.graph, { opset: 17, evaluate }), 20)
  t.equal(runs, 1)
})

test('results that would fill the memory stay computed, small tables do not', async t => {
  const graph = await assertRewritten(t, foldConstants, {
    title: 'sizes',
    changes: 1,
    shape: [1],
    constants: { small: i64([2], [16, 16]), large: i64([2], [4096, 4096]) },
    outputs: { y: ['float32'], z: ['float32'] },
    nodes: [
      op('ConstantOfShape', ['small'], 'a'),
      op('ConstantOfShape', ['large'], 'b'),
      op('ReduceMax', ['b'], 'c'),
      op('Add', ['x', 'a'], 'y'),
      op('Add', ['x', 'c'], 'z'),
    ],
  })
  t.same(opTypes(graph), ['ConstantOfShape', 'ReduceMax', 'Add', 'Add'])
})

test('quantized weights, random numbers and results of the graph stay', async t => {
  const graph = buildGraph({
    inputs: { x: ['float32'] },
    outputs: { y: ['float32'], k: ['float32'] },
    constants: { q: { dtype: 'int8', shape: [2], bytes: Uint8Array.of(1, 255) }, s: f32([], [0.5]), c: f32([2], [1, 2]) },
    nodes: [
      op('DequantizeLinear', ['q', 's'], 'w'),
      op('RandomNormalLike', ['c'], 'r'),
      op('Neg', ['c'], 'k'),
      op('Sum', ['x', 'w', 'r'], 'y'),
    ],
  })
  t.equal(await runPass(foldConstants, graph, { opset: 17, evaluate: evaluateHere, verify: true }), 0)
})

test('constants around a subgraph are folded inside it', async t => {
  const branch = buildGraph({ inputs: {}, outputs: { r: ['float32'] }, nodes: [op('Neg', ['c'], 'm'), op('Mul', ['x', 'm'], 'r')] })
  await assertRewritten(t, foldConstants, {
    title: 'If',
    changes: 2,
    constants: { c: f32([1], [2]), yes: { dtype: 'bool', shape: [], bytes: Uint8Array.of(1) } },
    nodes: [op('If', ['yes'], 'y', { then_branch: { kind: 'graph', value: branch }, else_branch: { kind: 'graph', value: branch } })],
  })
})
