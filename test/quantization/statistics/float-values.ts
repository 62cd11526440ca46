import { test } from 'tap'
import { int } from '../../../src/graph/node.js'
import { floatValues } from '../../../src/quantization/statistics/float-values.js'
import { buildGraph, f32, i64, op } from '../../fixtures/graph-builder.js'

test('indices, shapes, masks and second results are no float values', async t => {
  const graph = buildGraph({
    inputs: { x: ['float32', [1, 4]], ids: ['int64', [2]], table: ['float32', [9, 4]] },
    outputs: { y: ['float32'] },
    constants: { k: i64([1], [2]), zero: f32([], [0]) },
    nodes: [
      op('Shape', ['x'], 'shape'),
      op('Gather', ['table', 'ids'], 'rows'),
      op('Gather', ['shape', 'ids'], 'sizes'),
      op('Cast', ['ids'], 'numbers', { to: int(1) }),
      op('Cast', ['x'], 'rounded', { to: int(7) }),
      op('Greater', ['x', 'zero'], 'mask'),
      op('Where', ['mask', 'x', 'zero'], 'kept'),
      op('TopK', ['x', 'k'], ['top', 'places']),
      op('Add', ['kept', 'zero'], 'y'),
    ],
  })
  t.same(floatValues(graph), ['x', 'table', 'rows', 'numbers', 'kept', 'top', 'y'])
})

test('the result of an If has the type that its branches give it', async t => {
  const returning = (opType: string, inputs: readonly string[]) => {
    const value = buildGraph({ inputs: {}, outputs: {}, nodes: [op(opType, inputs, `${opType}/r`)] })
    value.setOutputs([{ name: `${opType}/r`, dtype: undefined, shape: undefined }])
    return { kind: 'graph', value } as const
  }
  const graph = buildGraph({
    inputs: { x: ['float32', [1, 4]], go: ['bool', []] },
    outputs: { y: ['float32'] },
    nodes: [
      op('If', ['go'], 'floats', { then_branch: returning('Neg', ['x']), else_branch: returning('Relu', ['x']) }),
      op('If', ['go'], 'sizes', { then_branch: returning('Shape', ['x']), else_branch: returning('Size', ['x']) }),
      op('Relu', ['floats'], 'y'),
    ],
  })
  t.same(floatValues(graph), ['x', 'floats', 'y'])
})
