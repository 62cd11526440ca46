import { test } from 'tap'
import { ints } from '../../../../src/graph/node.js'
import { op } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

test('unsqueeze keeps its axes', async t => {
  await assertLifted(t, 'axes', { opset: 7, nodes: [op('Unsqueeze', ['x'], 'y', { axes: ints([0, 3]) })] })
  await assertLifted(t, 'negative axes', { opset: 11, nodes: [op('Unsqueeze', ['x'], 'y', { axes: ints([-1]) })] })
})
