import { test } from 'tap'
import { int } from '../../../../src/graph/node.js'
import { liftOpset } from '../../../../src/graph/onnx/lift.js'
import { buildGraph, buildModel, op } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

const body = buildGraph({
  inputs: { sum: ['float32', [3]], row: ['float32', [3]] },
  outputs: { next: ['float32', [3]], out: ['float32', [3]] },
  nodes: [op('Add', ['sum', 'row'], 'next'), op('Softmax', ['next'], 'out', { axis: int(0) })],
})

test('a scan of set 9 runs its lifted body', async t => {
  await assertLifted(t, 'running sum', {
    opset: 9,
    shape: [4, 3],
    outputs: { last: ['float32'], y: ['float32'] },
    nodes: [
      op('ReduceMin', ['x'], 'start', { axes: { kind: 'ints', value: [0] }, keepdims: int(0) }),
      op('Scan', ['start', 'x'], ['last', 'y'], { body: { kind: 'graph', value: body }, num_scan_inputs: int(1) }),
    ],
  })
})

test('a scan of set 8 is refused', async t => {
  const nodes = [op('Scan', ['', 'x', 'x'], ['y', 'z'], { body: { kind: 'graph', value: body }, num_scan_inputs: int(1) })]
  const model = buildModel({ opset: 8, inputs: { x: ['float32'] }, outputs: { y: ['float32'] }, nodes })
  t.throws(() => liftOpset(model), { code: 'ERR_ONNX_UPGRADE', details: { node: 'y' } })
})
