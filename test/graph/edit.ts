import { test } from 'tap'
import { bypassNodes, cloneDeep, redirectReads, unshadow } from '../../src/graph/edit.js'
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

test('a value of a subgraph that shadows an outer one gets a name of its own', async t => {
  const body = buildGraph({ inputs: {}, outputs: { x: ['float32'] }, nodes: [op('Neg', ['a'], 'x'), op('Abs', ['x'], 'q')] })
  const graph = buildGraph({
    inputs: { x: ['float32'], go: ['bool'] },
    outputs: { y: ['float32'] },
    nodes: [
      op('Relu', ['x'], 'a'),
      op('If', ['go'], 'y', { then_branch: { kind: 'graph', value: body }, else_branch: { kind: 'graph', value: inner() } }),
    ],
  })
  const [branch] = subgraphsOf(unshadow(cloneDeep(graph)).nodes[1]!)
  t.same(
    branch!.nodes.map(({ inputs, outputs }) => [inputs[0], outputs[0]]),
    [
      ['a', 'x_1'],
      ['x_1', 'q'],
    ],
  )
  t.same(
    branch!.outputs.map(({ name }) => name),
    ['x_1'],
  )
  t.same(
    body.outputs.map(({ name }) => name),
    ['x'],
    'the graph handed in is as it was',
  )
})

test('reads of a shadowing value are left alone', async t => {
  const body = buildGraph({ inputs: {}, outputs: { r: ['float32'] }, nodes: [op('Neg', ['x'], 'a'), op('Abs', ['a'], 'r')] })
  const graph = buildGraph({
    inputs: { x: ['float32'], go: ['bool'] },
    outputs: { y: ['float32'] },
    nodes: [
      op('Relu', ['x'], 'a'),
      op('If', ['go'], 'y', { then_branch: { kind: 'graph', value: body }, else_branch: { kind: 'graph', value: inner() } }),
    ],
  })
  redirectReads(graph, new Map([['a', 'x']]))
  const [shadowing, plain] = subgraphsOf(graph.nodes[1]!)
  t.same(shadowing!.nodes[1]!.inputs, ['a'])
  t.same(plain!.nodes[0]!.inputs, ['x'])
})
