import { test } from 'tap'
import { float } from '../../../src/graph/node.js'
import { canonicalHardSigmoid } from '../../../src/graph/passes/canonical-hard-sigmoid.js'
import { canonicalHardSwish } from '../../../src/graph/passes/canonical-hard-swish.js'
import { runPass } from '../../../src/graph/passes/run-pass.js'
import { buildGraph, f32, op, seeded } from '../../fixtures/graph-builder.js'
import { assertRewritten, evaluateHere, opTypes } from '../../fixtures/rewritten.js'

const constants = {
  zero: f32([], [0]),
  three: f32([], [3]),
  six: f32([], [6]),
  sixth: f32([1], [1 / 6]),
  g: seeded([3, 1, 1]),
  five: f32([], [5]),
}
const chain = [op('Add', ['x', 'three'], 'a'), op('Clip', ['a', 'zero', 'six'], 'c')]
const gate = op('HardSigmoid', ['x'], 'h', { alpha: float(1 / 6), beta: float(0.5) })

const forms = {
  'times x, by 6': [...chain, op('Mul', ['x', 'c'], 'm'), op('Div', ['m', 'six'], 'y')],
  'times x, times 1/6': [...chain, op('Mul', ['c', 'x'], 'm'), op('Mul', ['sixth', 'm'], 'y')],
  'by 6, times x': [...chain, op('Div', ['c', 'six'], 'd'), op('Mul', ['x', 'd'], 'y')],
  'times 1/6, times x': [...chain, op('Mul', ['c', 'sixth'], 'd'), op('Mul', ['d', 'x'], 'y')],
  'x / 6 first': [op('Div', ['x', 'six'], 'd'), ...chain, op('Mul', ['d', 'c'], 'y')],
  'hard sigmoid': [gate, op('Mul', ['x', 'h'], 'y')],
  'hard sigmoid, turned': [gate, op('Mul', ['h', 'x'], 'y')],
}

test('every order of the chain becomes one HardSwish', async t => {
  for (const [title, nodes] of Object.entries(forms)) {
    const graph = await assertRewritten(t, canonicalHardSwish, { title, changes: 1, constants, nodes })
    t.same(opTypes(graph), ['HardSwish'], title)
    t.same(graph.nodes[0]!.inputs, ['x'], title)
  }
})

test('so it does behind the pass for the hard sigmoid, and for two in a row', async t => {
  const before = [canonicalHardSigmoid]
  await assertRewritten(t, canonicalHardSwish, { title: 'behind', changes: 1, before, constants, nodes: forms['by 6, times x'] })
  const twice = [
    ...forms['times x, by 6'].map(node => (node.name === 'y' ? op('Div', ['m', 'six'], 'z') : node)),
    op('Add', ['z', 'three'], 'a2'),
    op('Clip', ['a2', 'zero', 'six'], 'c2'),
    op('Mul', ['z', 'c2'], 'm2'),
    op('Div', ['m2', 'six'], 'y'),
  ]
  const graph = await assertRewritten(t, canonicalHardSwish, { title: 'twice', changes: 2, constants, nodes: twice })
  t.same(opTypes(graph), ['HardSwish', 'HardSwish'])
})

test('what only looks alike stays', async t => {
  const cases = {
    'another gate': [...chain, op('Mul', ['g', 'c'], 'm'), op('Div', ['m', 'six'], 'y')],
    'by 5': [...chain, op('Mul', ['x', 'c'], 'm'), op('Div', ['m', 'five'], 'y')],
    'clip read twice': [...chain, op('Mul', ['x', 'c'], 'm'), op('Div', ['m', 'six'], 'd'), op('Add', ['d', 'c'], 'y')],
    'six divided by it': [...chain, op('Mul', ['x', 'c'], 'm'), op('Div', ['six', 'm'], 'y')],
    'slope 0.2': [op('HardSigmoid', ['x'], 'h'), op('Mul', ['x', 'h'], 'y')],
    'no x': [...chain, op('Mul', ['c', 'c'], 'y')],
  }
  for (const [title, nodes] of Object.entries(cases)) await assertRewritten(t, canonicalHardSwish, { title, changes: 0, constants, nodes })
})

test('below ai.onnx 14, which lacks the operator, the chain stays', async t => {
  const graph = buildGraph({ inputs: { x: ['float32'] }, outputs: { y: ['float32'] }, constants, nodes: forms['hard sigmoid'] })
  t.equal(await runPass(canonicalHardSwish, graph, { opset: 13, evaluate: evaluateHere }), 0)
})
