import { test } from 'tap'
import { removeUnused } from '../../../src/graph/passes/remove-unused.js'
import { buildGraph, f32, op } from '../../fixtures/graph-builder.js'
import { assertRewritten, opTypes } from '../../fixtures/rewritten.js'

test('what no result depends on is gone with its constants', async t => {
  const graph = await assertRewritten(t, removeUnused, {
    title: 'dead branch',
    changes: 3,
    constants: { used: f32([1], [2]), unused: f32([1], [3]) },
    nodes: [op('Mul', ['x', 'used'], 'y'), op('Mul', ['x', 'unused'], 'a'), op('Relu', ['a'], 'b')],
  })
  t.same(opTypes(graph), ['Mul'])
  t.same([...graph.initializers.keys()], ['used'])
})

test('a constant that only a subgraph reads stays', async t => {
  const branch = buildGraph({ inputs: {}, outputs: { r: ['float32'] }, nodes: [op('Mul', ['x', 'inner'], 'r')] })
  const graph = await assertRewritten(t, removeUnused, {
    title: 'captured',
    changes: 0,
    constants: { inner: f32([1], [2]), yes: { dtype: 'bool', shape: [], bytes: Uint8Array.of(1) } },
    nodes: [op('If', ['yes'], 'y', { then_branch: { kind: 'graph', value: branch }, else_branch: { kind: 'graph', value: branch } })],
  })
  t.same([...graph.initializers.keys()], ['inner', 'yes'])
})
