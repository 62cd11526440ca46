import { test } from 'tap'
import { int, ints } from '../../../../src/graph/node.js'
import { op } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

test('splits keep their sizes, or stay equal', async t => {
  const outputs = { a: ['float32'], b: ['float32'] } as const
  for (const opset of [7, 11, 12]) {
    await assertLifted(t, `equal at ${opset}`, { opset, outputs, nodes: [op('Split', ['x'], ['a', 'b'], { axis: int(2) })] })
    await assertLifted(t, `sizes at ${opset}`, {
      opset,
      outputs,
      nodes: [op('Split', ['x'], ['a', 'b'], { axis: int(1), split: ints([1, 2]) })],
    })
  }
})
