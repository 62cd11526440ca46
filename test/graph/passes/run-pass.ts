import { test } from 'tap'
import { definePass } from '../../../src/graph/passes/define-pass.js'
import { runPass } from '../../../src/graph/passes/run-pass.js'
import { buildGraph, op } from '../../fixtures/graph-builder.js'
import { evaluateHere } from '../../fixtures/rewritten.js'

test('a pass that leaves a broken graph is named', async t => {
  const breaks = definePass({
    name: 'breaks',
    phase: 'fuse',
    apply(graph) {
      graph.removeNodes(graph.nodes.slice(0, 1))
      return 1
    },
  })
  const nodes = [op('Relu', ['x'], 'a'), op('Neg', ['a'], 'y')]
  const graph = buildGraph({ inputs: { x: ['float32'] }, outputs: { y: ['float32'] }, nodes })
  await t.rejects(runPass(breaks, graph, { opset: 17, evaluate: evaluateHere, verify: true }), {
    code: 'ERR_GRAPH_PASS',
    details: { pass: 'breaks' },
    cause: { code: 'ERR_GRAPH_INPUT' },
  })
})
