import { test } from 'tap'
import type { Graph } from '../../src/graph/graph.js'
import { isSorted, verifyGraph, verifyNames } from '../../src/graph/verify.js'
import { buildGraph, f32, op } from '../fixtures/graph-builder.js'

const branchOf = (value: Graph) => ({ then_branch: { kind: 'graph', value }, else_branch: { kind: 'graph', value } }) as const
const around = { inputs: { x: ['float32'], go: ['bool'] }, outputs: { y: ['float32'] } } as const

test('a broken graph is refused by the code of what is broken, with node and value', async t => {
  const inner = buildGraph({ inputs: {}, outputs: { r: ['float32'] }, nodes: [op('Neg', ['missing'], 'r')] })
  const cases: [string, Graph, { code: string; [key: string]: unknown }][] = [
    [
      'two nodes make one value',
      buildGraph({ ...around, nodes: [op('Relu', ['x'], 'y'), op('Neg', ['x'], 'y')] }),
      { code: 'ERR_GRAPH_PRODUCER', details: { value: 'y' } },
    ],
    [
      'a node makes an input',
      buildGraph({ ...around, nodes: [op('Relu', ['go'], ['x', 'y'])] }),
      { code: 'ERR_GRAPH_PRODUCER', details: { value: 'x' } },
    ],
    [
      'a node makes a constant',
      buildGraph({ ...around, constants: { y: f32([], [1]) }, nodes: [op('Relu', ['x'], 'y')] }),
      { code: 'ERR_GRAPH_PRODUCER' },
    ],
    [
      'nothing makes an input',
      buildGraph({ ...around, nodes: [op('Add', ['x', 'z'], 'y')] }),
      { code: 'ERR_GRAPH_INPUT', details: { node: 'y', value: 'z' } },
    ],
    [
      'nothing makes it for a subgraph',
      buildGraph({ ...around, nodes: [op('If', ['go'], 'y', branchOf(inner))] }),
      { code: 'ERR_GRAPH_INPUT', details: { node: 'r' } },
    ],
    [
      'nothing makes an output',
      buildGraph({ ...around, nodes: [op('Relu', ['x'], 'z')] }),
      { code: 'ERR_GRAPH_OUTPUT', details: { value: 'y' } },
    ],
    [
      'a circle',
      buildGraph({ ...around, nodes: [op('Add', ['x', 'b'], 'a'), op('Neg', ['a'], 'b'), op('Neg', ['b'], 'y')] }),
      { code: 'ERR_GRAPH_CYCLE', details: { node: 'a' } },
    ],
    [
      'a node that reads itself',
      buildGraph({ ...around, nodes: [op('Add', ['x', 'y'], 'y')] }),
      { code: 'ERR_GRAPH_CYCLE', details: { node: 'y' } },
    ],
    [
      'the order',
      buildGraph({ ...around, nodes: [op('Neg', ['a'], 'y'), op('Relu', ['x'], 'a')] }),
      { code: 'ERR_GRAPH_ORDER', details: { node: 'y' } },
    ],
    [
      'a constant too short',
      buildGraph({
        ...around,
        constants: { c: { dtype: 'float32', shape: [3], bytes: new Uint8Array(8) } },
        nodes: [op('Add', ['x', 'c'], 'y')],
      }),
      { code: 'ERR_GRAPH_TYPE', details: { value: 'c' } },
    ],
  ]
  for (const [title, graph, expected] of cases) t.throws(() => verifyGraph(graph), expected, title)
})

test('a circle through a value that a subgraph reads is one', async t => {
  const inner = buildGraph({ inputs: {}, outputs: { r: ['float32'] }, nodes: [op('Neg', ['y'], 'r')] })
  t.throws(() => verifyNames(buildGraph({ ...around, nodes: [op('If', ['go'], 'y', branchOf(inner))] })), { code: 'ERR_GRAPH_CYCLE' })
})

test('subgraphs read and shadow what stands around them', async t => {
  const inner = buildGraph({ inputs: {}, outputs: { x: ['float32'] }, nodes: [op('Neg', ['a'], 'x')] })
  const graph = buildGraph({ ...around, nodes: [op('Relu', ['x'], 'a'), op('If', ['go'], 'y', branchOf(inner))] })
  t.doesNotThrow(() => verifyGraph(graph))
  t.ok(isSorted(graph))
})
