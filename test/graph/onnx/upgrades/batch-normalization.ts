import { test } from 'tap'
import { int } from '../../../../src/graph/node.js'
import { liftOpset } from '../../../../src/graph/onnx/lift.js'
import { buildModel, f32, op } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

const constants = { g: f32([3], [1, 2, 3]), b: f32([3], [0, 1, -1]), m: f32([3], [0.1, 0.2, 0.3]), v: f32([3], [1, 2, 0.5]) }

test('batch normalization of sets 7, 9 and 13 computes the same in 17', async t => {
  for (const opset of [7, 9, 13]) {
    await assertLifted(t, `opset ${opset}`, { opset, constants, nodes: [op('BatchNormalization', ['x', 'g', 'b', 'm', 'v'], 'y')] })
  }
  await assertLifted(t, 'spatial = 1', {
    opset: 7,
    constants,
    nodes: [op('BatchNormalization', ['x', 'g', 'b', 'm', 'v'], 'y', { spatial: int(1) })],
  })
})

test('statistics per position and training outputs are refused by name', async t => {
  const spatial = op('BatchNormalization', ['x', 'g', 'b', 'm', 'v'], 'y', { spatial: int(0) })
  const training = op('BatchNormalization', ['x', 'g', 'b', 'm', 'v'], ['y', 'mean'])
  for (const node of [spatial, training]) {
    const model = buildModel({ opset: 7, inputs: { x: ['float32'] }, outputs: { y: ['float32'] }, constants, nodes: [node] })
    t.throws(() => liftOpset(model), { code: 'ERR_ONNX_UPGRADE', details: { node: 'y' } })
  }
})
