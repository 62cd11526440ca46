import { test } from 'tap'
import { int } from '../../../../src/graph/node.js'
import { f32, i64, op } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

test('regions are read at the same positions', async t => {
  const constants = { rois: f32([2, 4], [0, 0, 2.6, 3.1, 0.5, 1, 3, 2]), batch: i64([2], [0, 1]) }
  for (const opset of [10, 15]) {
    const nodes = [op('RoiAlign', ['x', 'rois', 'batch'], 'y', { output_height: int(2), output_width: int(2) })]
    await assertLifted(t, `opset ${opset}`, { opset, constants, nodes })
  }
})
