import { test } from 'tap'
import { int, ints } from '../../../../src/graph/node.js'
import { op } from '../../../fixtures/graph-builder.js'
import { assertLifted } from '../../../fixtures/lifted.js'

test('softmax over a flattened tail keeps its meaning', async t => {
  for (const name of ['Softmax', 'LogSoftmax', 'Hardmax']) {
    for (const axis of [0, 1, 2]) {
      const ops = await assertLifted(t, `${name} axis ${axis}`, { opset: 9, nodes: [op(name, ['x'], 'y', { axis: int(axis) })] })
      t.ok(ops.includes('Flatten'))
    }
    await assertLifted(t, `${name} default axis`, { opset: 12, nodes: [op(name, ['x'], 'y')] })
    await assertLifted(t, `${name} axis -2`, { opset: 11, nodes: [op(name, ['x'], 'y', { axis: int(-2) })] })
  }
})

test('softmax over the last axis stays one node where the rank is known', async t => {
  t.same(await assertLifted(t, 'axis 3', { opset: 9, nodes: [op('Softmax', ['x'], 'y', { axis: int(3) })] }), ['Softmax'])
  t.same(await assertLifted(t, 'axis -1', { opset: 11, nodes: [op('Softmax', ['x'], 'y', { axis: int(-1) })] }), ['Softmax'])
  const behind = [op('ReduceMean', ['x'], 'm', { axes: ints([2, 3]), keepdims: int(0) }), op('Softmax', ['m'], 'y')]
  t.same(await assertLifted(t, 'default axis of a matrix', { opset: 9, nodes: behind }), ['ReduceMean', 'Softmax'])
})

test('an empty batch stays empty', async t => {
  await assertLifted(t, 'no rows', { opset: 9, shape: [0, 3, 4], nodes: [op('Softmax', ['x'], 'y', { axis: int(1) })] })
})
