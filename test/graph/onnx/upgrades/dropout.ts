import { test } from 'tap'
import { float } from '../../../../src/graph/node.js'
import { liftOpset } from '../../../../src/graph/onnx/lift.js'
import { buildModel, op } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

test('dropout passes its input through in every set', async t => {
  for (const opset of [7, 10, 12]) await assertLifted(t, `opset ${opset}`, { opset, nodes: [op('Dropout', ['x'], 'y')] })
  await assertLifted(t, 'with ratio', { opset: 7, nodes: [op('Dropout', ['x'], 'y', { ratio: float(0.3) })] })
})

test('a mask that is read is refused', async t => {
  const model = buildModel({
    opset: 7,
    inputs: { x: ['float32'] },
    outputs: { mask: ['float32'] },
    nodes: [op('Dropout', ['x'], ['y', 'mask'])],
  })
  t.throws(() => liftOpset(model), { code: 'ERR_ONNX_UPGRADE' })
})
