import { test } from 'tap'
import { int, ints } from '../../../src/graph/node.js'
import { meanToPool } from '../../../src/graph/passes/mean-to-pool.js'
import { i64, op } from '../../fixtures/graph-builder.js'
import { assertRewritten, opTypes } from '../../fixtures/rewritten.js'

test('a mean over height and width becomes a global pool', async t => {
  for (const axes of [
    [2, 3],
    [-1, -2],
    [3, 2],
  ]) {
    const kept = [op('ReduceMean', ['x'], 'y', { axes: ints(axes) })]
    t.same(opTypes(await assertRewritten(t, meanToPool, { title: `${axes}`, changes: 1, nodes: kept })), ['GlobalAveragePool'])
    const dropped = [op('ReduceMean', ['x'], 'y', { axes: ints(axes), keepdims: int(0) })]
    t.same(opTypes(await assertRewritten(t, meanToPool, { title: `${axes}, dropped`, changes: 1, nodes: dropped })), [
      'GlobalAveragePool',
      'Squeeze',
    ])
  }
  const nodes = [op('ReduceMean', ['x', 'axes'], 'y')]
  await assertRewritten(t, meanToPool, { title: 'axes as input (18)', opset: 18, changes: 1, constants: { axes: i64([2], [2, 3]) }, nodes })
})

test('other axes, other ranks and other types stay', async t => {
  for (const axes of [[1], [2], [1, 2], [1, 2, 3]]) {
    await assertRewritten(t, meanToPool, { title: `${axes}`, changes: 0, nodes: [op('ReduceMean', ['x'], 'y', { axes: ints(axes) })] })
  }
  const nodes = [op('ReduceMean', ['x'], 'y', { axes: ints([2, 3]) })]
  await assertRewritten(t, meanToPool, { title: 'five axes', changes: 0, shape: ['N', 2, 3, 4, 5], nodes })
  const doubles = [
    op('Cast', ['x'], 'd', { to: int(11) }),
    op('ReduceMean', ['d'], 'm', { axes: ints([2, 3]) }),
    op('Cast', ['m'], 'y', { to: int(1) }),
  ]
  await assertRewritten(t, meanToPool, { title: 'float64', changes: 0, nodes: doubles })
})
