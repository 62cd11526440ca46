import { test } from 'tap'
import { canonicalHardSigmoid } from '../../../src/graph/passes/canonical-hard-sigmoid.js'
import { f32, op } from '../../fixtures/graph-builder.js'
import { assertRewritten, opTypes } from '../../fixtures/rewritten.js'

const constants = { zero: f32([], [0]), three: f32([], [3]), six: f32([], [6]), sixth: f32([1], [1 / 6]), five: f32([], [5]) }
const chain = [op('Add', ['three', 'x'], 'a'), op('Clip', ['a', 'zero', 'six'], 'c')]

test('the chain becomes one node', async t => {
  for (const last of [op('Div', ['c', 'six'], 'y'), op('Mul', ['sixth', 'c'], 'y')]) {
    const graph = await assertRewritten(t, canonicalHardSigmoid, { title: last.opType, changes: 1, constants, nodes: [...chain, last] })
    t.same(opTypes(graph), ['HardSigmoid'])
  }
})

test('other numbers, and a sum that something else reads, keep the chain', async t => {
  await assertRewritten(t, canonicalHardSigmoid, { title: '5', changes: 0, constants, nodes: [...chain, op('Div', ['c', 'five'], 'y')] })
  const twice = [...chain, op('Div', ['c', 'six'], 'd'), op('Mul', ['d', 'a'], 'y')]
  await assertRewritten(t, canonicalHardSigmoid, { title: 'sum read twice', changes: 0, constants, nodes: twice })
  const outputs = { y: ['float32'], c: ['float32'] } as const
  const nodes = [...chain, op('Div', ['c', 'six'], 'y')]
  await assertRewritten(t, canonicalHardSigmoid, { title: 'clip is an output', changes: 0, constants, outputs, nodes })
})
