import { test } from 'tap'
import { capturesOf, readsOf } from '../../src/graph/graph.js'
import { int, makeNode } from '../../src/graph/node.js'
import { buildGraph, f32, op } from '../fixtures/graph-builder.js'

const inner = () =>
  buildGraph({ inputs: {}, outputs: { r: ['float32'] }, constants: { k: f32([], [1]) }, nodes: [op('Add', ['a', 'k'], 'r')] })
const whole = () =>
  buildGraph({
    inputs: { x: ['float32'], go: ['bool'] },
    outputs: { y: ['float32'], b: ['float32'] },
    constants: { w: f32([], [2]) },
    nodes: [
      op('Mul', ['x', 'w'], 'a'),
      op('Neg', ['a'], 'b'),
      op('If', ['go'], 'y', { then_branch: { kind: 'graph', value: inner() }, else_branch: { kind: 'graph', value: inner() } }),
    ],
  })

test('what a subgraph reads counts as read by its node', async t => {
  const graph = whole()
  t.same(
    graph.consumers('a').map(({ name }) => name),
    ['b', 'y'],
  )
  t.same(readsOf(graph.nodes[2]!), ['go', 'a', 'a'])
  t.same(capturesOf(inner()), ['a'])
})

test('a sole consumer is none where the graph returns the value too', async t => {
  const graph = whole()
  t.equal(graph.soleConsumer('x')?.name, 'a')
  t.equal(graph.soleConsumer('a'), undefined)
  t.equal(graph.soleConsumer('b'), undefined)
})

test('edits show at once in producers and consumers', async t => {
  const graph = whole()
  const [mul, neg] = graph.nodes
  graph.replaceNode(neg!, op('Relu', ['x'], 'b'))
  t.equal(graph.producer('b')?.opType, 'Relu')
  t.same(
    graph.nodes.map(({ name }) => name),
    ['a', 'b', 'y'],
  )
  graph.redirect('x', 'w')
  t.same(
    graph.consumers('w').map(({ name }) => name),
    ['a', 'b'],
  )
  graph.removeNodes([mul!])
  t.equal(graph.nodes.length, 3, 'a node that was replaced meanwhile is not there to remove')
})

test('sorting puts producers first and keeps the order otherwise', async t => {
  const graph = whole()
  graph.setNodes([...graph.nodes].reverse())
  graph.sortTopologically()
  t.same(
    graph.nodes.map(({ name }) => name),
    ['a', 'y', 'b'],
  )
})

test('fresh names avoid every name of the graph, its subgraphs and their nodes', async t => {
  const graph = whole()
  t.same(
    ['k', 'x', 'r', 'new', 'new'].map(base => graph.uniqueName(base)),
    ['k_1', 'x_1', 'r_1', 'new', 'new_1'],
  )
  const name = graph.addConstant('w', f32([], [3]))
  t.equal(name, 'w_1')
  t.ok(graph.constant('w_1'))
})

test('a clone is edited alone', async t => {
  const graph = whole()
  const copy = graph.clone()
  copy.setNodes([])
  copy.initializers.clear()
  t.equal(graph.nodes.length, 3)
  t.ok(graph.constant('w'))
})

test('a node is frozen data', async t => {
  const node = makeNode({ name: 'n', opType: 'Relu', inputs: ['x'], outputs: ['y'], attributes: { a: int(1) } })
  t.ok(Object.isFrozen(node) && Object.isFrozen(node.inputs) && Object.isFrozen(node.outputs))
})
