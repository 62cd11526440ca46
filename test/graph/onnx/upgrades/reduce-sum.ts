import { test } from 'tap'
import { int, ints } from '../../../../src/graph/node.js'
import { op } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

test('sums keep their axes, or run over all', async t => {
  await assertLifted(t, 'axes', { opset: 7, nodes: [op('ReduceSum', ['x'], 'y', { axes: ints([1, 3]), keepdims: int(0) })] })
  await assertLifted(t, 'all', { opset: 11, nodes: [op('ReduceSum', ['x'], 'y')] })
})

test('the other reductions keep their axes as an attribute', async t => {
  for (const name of ['ReduceMean', 'ReduceMax', 'ReduceL2']) {
    await assertLifted(t, name, { opset: 8, nodes: [op(name, ['x'], 'y', { axes: ints([2, 3]) })] })
  }
})
