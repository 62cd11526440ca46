import { test } from 'tap'
import type { Graph } from '../../../src/graph/graph.js'
import { ints } from '../../../src/graph/node.js'
import { foldShapes } from '../../../src/graph/passes/fold-shapes.js'
import { inlineIf } from '../../../src/graph/passes/inline-if.js'
import { buildGraph, f32, i64, op } from '../../fixtures/graph-builder.js'
import { assertRewritten, opTypes } from '../../fixtures/rewritten.js'

const yes = { dtype: 'bool', shape: [], bytes: Uint8Array.of(1) } as const
const no = { dtype: 'bool', shape: [], bytes: Uint8Array.of(0) } as const
const branches = (then: Graph, otherwise: Graph) =>
  ({ then_branch: { kind: 'graph', value: then }, else_branch: { kind: 'graph', value: otherwise } }) as const
const branch = (opType: string) =>
  buildGraph({
    inputs: {},
    outputs: { r: ['float32'] },
    constants: { k: f32([], [2]) },
    nodes: [op('Mul', ['x', 'k'], 'm'), op(opType, ['m'], 'r')],
  })

test('a decided If becomes its branch, twice in one graph', async t => {
  const nodes = [
    op('If', ['yes'], 'a', branches(branch('Relu'), branch('Neg'))),
    op('If', ['no'], 'b', branches(branch('Relu'), branch('Neg'))),
    op('Add', ['a', 'b'], 'y'),
  ]
  const graph = await assertRewritten(t, inlineIf, { title: 'both', changes: 2, constants: { yes, no }, nodes })
  t.same(opTypes(graph), ['Mul', 'Relu', 'Mul', 'Neg', 'Add'])
})

test('a constant that a branch hands through is copied', async t => {
  const through = buildGraph({
    inputs: {},
    outputs: { n: ['float32'], k: ['float32'] },
    constants: { k: f32([], [2]) },
    nodes: [op('Neg', ['x'], 'n')],
  })
  const graph = await assertRewritten(t, inlineIf, {
    title: 'through',
    changes: 1,
    constants: { yes },
    outputs: { a: ['float32'], b: ['float32'] },
    nodes: [op('If', ['yes'], ['a', 'b'], branches(through, through))],
  })
  t.same(opTypes(graph), ['Neg', 'Identity'])
})

test('an If inside the branch comes along, undecided ones stay', async t => {
  const outer = buildGraph({
    inputs: {},
    outputs: { q: ['float32'] },
    nodes: [op('If', ['go'], 'q', branches(branch('Relu'), branch('Neg')))],
  })
  const graph = await assertRewritten(t, inlineIf, {
    title: 'nested',
    changes: 1,
    constants: { yes },
    nodes: [
      op('ReduceMax', ['x'], 'h', { keepdims: { kind: 'int', value: 0 } }),
      op('Cast', ['h'], 'go', { to: { kind: 'int', value: 9 } }),
      op('If', ['yes'], 'y', branches(outer, branch('Abs'))),
    ],
  })
  t.same(opTypes(graph), ['ReduceMax', 'Cast', 'If'])
})

test('the squeeze of PyTorch is decided by the declared size', async t => {
  const squeezed = buildGraph({
    inputs: {},
    outputs: { r: ['float32'] },
    constants: { axes: i64([1], [1]) },
    nodes: [op('Squeeze', ['x', 'axes'], 'r')],
  })
  const kept = buildGraph({ inputs: {}, outputs: { r: ['float32'] }, nodes: [op('Identity', ['x'], 'r')] })
  const graph = await assertRewritten(t, inlineIf, {
    title: 'squeeze',
    changes: 1,
    shape: ['N', 1, 4],
    before: [foldShapes],
    constants: { at: i64([], [1]), one: i64([], [1]) },
    nodes: [
      op('Shape', ['x'], 's'),
      op('Gather', ['s', 'at'], 'd'),
      op('Equal', ['d', 'one'], 'is'),
      op('If', ['is'], 'z', branches(squeezed, kept)),
      op('Transpose', ['z'], 'y', { perm: ints([1, 0]) }),
    ],
  })
  t.same(opTypes(graph), ['Shape', 'Squeeze', 'Transpose'])
})
