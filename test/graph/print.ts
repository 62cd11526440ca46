import { test } from 'tap'
import { float, int, ints, makeNode, string } from '../../src/graph/node.js'
import { printGraph } from '../../src/graph/print.js'
import { buildGraph, f32, i64, op, seeded, tensorAttribute } from '../fixtures/graph-builder.js'

test('a graph prints one line per input, constant, node and output, subgraphs indented', async t => {
  const branch = buildGraph({ inputs: {}, outputs: { r: ['float32'] }, nodes: [op('Neg', ['a'], 'r')] })
  const graph = buildGraph({
    inputs: { x: ['float32', ['N', 3]], go: ['bool', []] },
    outputs: { y: ['float32', ['N', 4]] },
    constants: { w: seeded([3, 4]), two: i64([2], [0, -1]), half: f32([], [0.5]) },
    nodes: [
      makeNode({
        name: 'dense',
        opType: 'Gemm',
        inputs: ['x', 'w', ''],
        outputs: ['a'],
        attributes: { transB: int(0), alpha: float(0.5) },
      }),
      makeNode({ name: 'b', domain: 'com.microsoft', opType: 'Gelu', inputs: ['a'], outputs: ['b', ''] }),
      op('Constant', [], 'c', { value: tensorAttribute(f32([1], [2])) }),
      op('Pad', ['b', 'two', 'half'], 'p', { mode: string('edge'), axes: ints([0]) }),
      op('If', ['go'], 'y', { then_branch: { kind: 'graph', value: branch } }),
    ],
  })
  t.equal(
    printGraph(graph),
    `in   x float32[N, 3]
in   go bool[]
const w float32[3, 4]
const two int64[2] = 0, -1
const half float32[] = 0.5
node a = Gemm(x, w, _) 'dense' alpha=0.5 transB=0
node b, _ = com.microsoft.Gelu(a)
node c = Constant() value=float32[1] = 2
node p = Pad(b, two, half) axes=[0] mode='edge'
node y = If(go)
  then_branch:
    node r = Neg(a)
    out  r float32
out  y float32[N, 4]`,
  )
})
