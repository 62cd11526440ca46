import { test } from 'tap'
import { int } from '../../../../src/graph/node.js'
import { op } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

test('top k keeps k and its axis', async t => {
  const outputs = { v: ['float32'], i: ['int64'] } as const
  await assertLifted(t, 'default axis', { opset: 7, outputs, nodes: [op('TopK', ['x'], ['v', 'i'], { k: int(2) })] })
  await assertLifted(t, 'axis 1', { opset: 9, outputs, nodes: [op('TopK', ['x'], ['v', 'i'], { k: int(3), axis: int(1) })] })
})
