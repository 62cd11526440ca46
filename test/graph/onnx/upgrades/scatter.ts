import { test } from 'tap'
import { int } from '../../../../src/graph/node.js'
import { f32, i64, op } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

test('scatter writes the same elements under its new name', async t => {
  const constants = { at: i64([1, 2], [2, 0]), values: f32([1, 2], [9, 8]) }
  const ops = await assertLifted(t, 'axis 1', {
    opset: 9,
    shape: [2, 3],
    constants,
    nodes: [op('Scatter', ['x', 'at', 'values'], 'y', { axis: int(1) })],
  })
  t.same(ops, ['ScatterElements'])
})
