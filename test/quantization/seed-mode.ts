import { test } from 'tap'
import { seedMode } from '../../src/quantization/seed-mode.js'
import { buildGraph, op } from '../fixtures/graph-builder.js'

test('activations that go below zero suggest asymmetric', async t => {
  const graphOf = (...nodes: ReturnType<typeof op>[]) => buildGraph({ inputs: { x: ['float32'] }, outputs: { y: ['float32'] }, nodes })
  t.match(seedMode(graphOf(op('Relu', ['x'], 'y'))), { mode: 'symmetric' })
  t.match(seedMode(graphOf(op('Elu', ['x'], 'y'))), { mode: 'asymmetric', because: /Elu/ })
  t.match(seedMode(graphOf(op('Sigmoid', ['x'], 'y'))), { mode: 'symmetric' }, 'a sigmoid alone starts at zero')
  t.match(seedMode(graphOf(op('Sigmoid', ['x'], 's'), op('Mul', ['x', 's'], 'y'))), { mode: 'asymmetric', because: /Sigmoid/ })
})
