import { test } from 'tap'
import { makeNode } from '../../../src/graph/node.js'
import { countKernels } from '../../../src/quantization/lowering/count-kernels.js'
import { buildGraph } from '../../fixtures/graph-builder.js'

test('kernels are found under the names that the engine gives to what it replaces', async t => {
  const node = (name: string, opType: string, domain = 'com.microsoft') =>
    makeNode({ name, opType, domain, inputs: ['x'], outputs: [`${name}_y`] })
  const graph = buildGraph({
    inputs: { x: ['float32'] },
    outputs: { a_y: ['float32'] },
    nodes: [
      node('a_token_3', 'QLinearConv'),
      node('b_nhwc_token_12', 'QLinearConv'),
      node('c', 'FusedConv'),
      node('d_token_1', 'QGemm'),
      node('e', 'Relu', ''),
    ],
  })
  const { integer, integerNames, floatNames } = countKernels(graph)
  t.same(integer, { QGemm: 1, QLinearConv: 2 })
  t.same([...integerNames], ['a', 'b', 'd'])
  t.same([...floatNames], ['c'])
})
