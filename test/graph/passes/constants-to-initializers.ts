import { test } from 'tap'
import { float, int, ints } from '../../../src/graph/node.js'
import { constantsToInitializers } from '../../../src/graph/passes/constants-to-initializers.js'
import { f32, op, tensorAttribute } from '../../fixtures/graph-builder.js'
import { assertRewritten, opTypes } from '../../fixtures/rewritten.js'

test('every form of Constant becomes an initializer with the same values', async t => {
  const graph = await assertRewritten(t, constantsToInitializers, {
    title: 'all forms',
    changes: 5,
    shape: ['N', 4],
    nodes: [
      op('Constant', [], 'a', { value: tensorAttribute(f32([4], [1, 2, 3, 4])) }),
      op('Constant', [], 'b', { value_float: float(0.5) }),
      op('Constant', [], 'c', { value_floats: { kind: 'floats', value: [1, 0, 1, 0] } }),
      op('Constant', [], 'd', { value_int: int(-1) }),
      op('Constant', [], 'e', { value_ints: ints([0, 2, 2]) }),
      op('Mul', ['x', 'a'], 'f'),
      op('Mul', ['f', 'b'], 'g'),
      op('Add', ['g', 'c'], 'h'),
      op('Reshape', ['h', 'e'], 'i'),
      op('Gather', ['i', 'd'], 'y'),
    ],
  })
  t.notOk(opTypes(graph).includes('Constant'))
})

test('a constant that is a result of the graph stays a node', async t => {
  const nodes = [op('Constant', [], 'k', { value_float: float(2) }), op('Relu', ['x'], 'y')]
  const outputs = { y: ['float32'], k: ['float32'] } as const
  await assertRewritten(t, constantsToInitializers, { title: 'output', changes: 0, outputs, nodes })
})
