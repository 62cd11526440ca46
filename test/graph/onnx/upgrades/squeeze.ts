import { test } from 'tap'
import { ints } from '../../../../src/graph/node.js'
import { op } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

test('squeeze keeps its axes, or takes all', async t => {
  const shape = [1, 3, 1, 4]
  await assertLifted(t, 'axes', { opset: 7, shape, nodes: [op('Squeeze', ['x'], 'y', { axes: ints([2]) })] })
  await assertLifted(t, 'negative axes', { opset: 11, shape, nodes: [op('Squeeze', ['x'], 'y', { axes: ints([-2, 0]) })] })
  await assertLifted(t, 'all', { opset: 12, shape, nodes: [op('Squeeze', ['x'], 'y')] })
})
