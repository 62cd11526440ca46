import { test } from 'tap'
import { int, ints } from '../../../src/graph/node.js'
import { removeIdentity } from '../../../src/graph/passes/remove-identity.js'
import { buildGraph, f32, i64, op } from '../../fixtures/graph-builder.js'
import { assertRewritten, opTypes } from '../../fixtures/rewritten.js'

test('nodes that change nothing are gone, alone and in chains', async t => {
  const graph = await assertRewritten(t, removeIdentity, {
    title: 'chain',
    changes: 9,
    constants: { w: f32([3, 1, 1], [1, 2, 3]), pads: i64([8], [0, 0, 0, 0, 0, 0, 0, 0]), one: f32([1], [1]), zero: f32([], [0]) },
    nodes: [
      op('Identity', ['w'], 'v'),
      op('Identity', ['v'], 'u'),
      op('Mul', ['x', 'u'], 'a'),
      op('Dropout', ['a'], 'b'),
      op('Cast', ['b'], 'c', { to: int(1) }),
      op('Transpose', ['c'], 'd', { perm: ints([0, 1, 2, 3]) }),
      op('Pad', ['d', 'pads'], 'e'),
      op('Sum', ['e'], 'f'),
      op('Mul', ['one', 'f'], 'g'),
      op('Add', ['g', 'zero'], 'h'),
      op('Relu', ['h'], 'y'),
    ],
  })
  t.same(opTypes(graph), ['Mul', 'Relu'])
  t.same(graph.nodes[0]!.inputs, ['x', 'w'])
})

test('what changes type, order, size or value stays', async t => {
  await assertRewritten(t, removeIdentity, {
    title: 'real changes',
    changes: 0,
    shape: [2, 2],
    outputs: { y: ['float32'], z: ['int64'] },
    constants: { one: f32([], [1]), wide: f32([1], [1]) },
    nodes: [
      op('Transpose', ['x'], 'a', { perm: ints([1, 0]) }),
      op('Sub', ['one', 'a'], 'b'),
      op('Div', ['one', 'b'], 'y'),
      op('ReduceSum', ['x'], 'c', { keepdims: int(0) }),
      op('Mul', ['c', 'wide'], 'd'),
      op('Cast', ['d'], 'z', { to: int(7) }),
    ],
  })
})

test('results keep their names: the producer takes them, inputs and constants are copied', async t => {
  const graph = await assertRewritten(t, removeIdentity, {
    title: 'outputs',
    changes: 1,
    outputs: { y: ['float32'], z: ['float32'], k: ['float32'], again: ['float32'] },
    constants: { c: f32([1], [4]) },
    nodes: [
      op('Relu', ['x'], 'r'),
      op('Identity', ['r'], 'y'),
      op('Identity', ['r'], 'again'),
      op('Identity', ['x'], 'z'),
      op('Identity', ['c'], 'k'),
    ],
  })
  t.same(opTypes(graph), ['Relu', 'Identity', 'Identity', 'Identity'])
  t.same(graph.nodes[0]!.outputs, ['y'])
})

test('values read inside subgraphs are followed, and subgraphs are cleaned themselves', async t => {
  const branch = (value: string) =>
    buildGraph({
      inputs: {},
      outputs: { r: ['float32'] },
      nodes: [op('Identity', [value], 's'), op('Neg', ['s'], 'q'), op('Identity', ['q'], 'r')],
    })
  const graph = await assertRewritten(t, removeIdentity, {
    title: 'captured',
    changes: 5,
    constants: { yes: { dtype: 'bool', shape: [], bytes: Uint8Array.of(1) } },
    nodes: [
      op('Identity', ['x'], 'a'),
      op('If', ['yes'], 'y', { then_branch: { kind: 'graph', value: branch('a') }, else_branch: { kind: 'graph', value: branch('x') } }),
    ],
  })
  t.same(opTypes(graph), ['If'])
})
