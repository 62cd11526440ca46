import { test } from 'tap'
import { bypassNodes, cloneDeep, redirectReads } from '../../src/graph/edit.js'
import { subgraphsOf, verifyGraph } from '../../src/graph/verify.js'
import { buildGraph, op } from '../fixtures/graph-builder.js'

const inner = () => buildGraph({ inputs: {}, outputs: { a: ['float32'] }, nodes: [op('Neg', ['a'], 'r')] })
const whole = () =>
  buildGraph({
    inputs: { x: ['float32'], go: ['bool'] },
    outputs: { y: ['float32'] },
    nodes: [
      op('Relu', ['x'], 'a'),
      op('Identity', ['a'], 'b'),
      op('If', ['go'], 'y', { then_branch: { kind: 'graph', value: inner() }, else_branch: { kind: 'graph', value: inner() } }),
    ],
  })

test('a deep copy shares no subgraph', async t => {
  const graph = whole()
  const copy = cloneDeep(graph)
  const [ours] = subgraphsOf(graph.nodes[2]!)
  const [theirs] = subgraphsOf(copy.nodes[2]!)
  theirs!.setNodes([])
  t.equal(ours!.nodes.length, 1)
})

test('readers inside subgraphs follow, results of a subgraph too', async t => {
  const graph = whole()
  redirectReads(graph, new Map([['a', 'x']]))
  const [branch] = subgraphsOf(graph.nodes[2]!)
  t.same(branch!.nodes[0]!.inputs, ['x'])
  t.same(
    branch!.outputs.map(({ name }) => name),
    ['x'],
  )
  t.same(
    graph.consumers('x').map(({ opType }) => opType),
    ['Relu', 'Identity', 'If'],
  )
  t.notOk(graph.consumers('a').some(({ opType }) => opType === 'If'))
})

test('two results that are the same value keep two producers', async t => {
  const graph = buildGraph({
    inputs: { x: ['float32'] },
    outputs: { y: ['float32'], z: ['float32'] },
    nodes: [op('Relu', ['x'], 'a'), op('Identity', ['a'], 'y'), op('Identity', ['y'], 'z')],
  })
  t.equal(
    bypassNodes(
      graph,
      new Map([
        ['y', 'a'],
        ['z', 'y'],
      ]),
    ),
    1,
  )
  verifyGraph(graph)
  t.same(
    graph.nodes.map(({ outputs }) => outputs[0]),
    ['y', 'z'],
  )
})
