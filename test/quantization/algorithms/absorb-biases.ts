import { test } from 'tap'
import type { Model } from '../../../src/graph/graph.js'
import { float, int, ints, type Node } from '../../../src/graph/node.js'
import { constantData } from '../../../src/graph/tensor/tensor.js'
import { crossLayerEqualization as algorithm } from '../../../src/quantization/algorithms/cross-layer-equalization.js'
import { type BuildFields, buildModel, f32, floats, op, seeded, seededFloats } from '../../fixtures/graph-builder.js'
import { applied, assertApplied, int8Db } from '../../fixtures/quantization/applied.js'

const inputs = [1, 2, 3].map(seed => ({ x: floats([1, 4, 6, 6], seed) }))
const modelOf = (fields: Pick<BuildFields, 'nodes' | 'constants'>): Model =>
  buildModel({ inputs: { x: ['float32', [1, 4, 6, 6]] }, outputs: { y: ['float32'] }, ...fields })

/** Channel 0 stays far above zero, channel 1 above it, channels 2 and 3 go through it. */
const constants = {
  a: seeded([4, 4, 1, 1]),
  ab: f32([4], [200, 20, 0, 1]),
  b: f32([5, 4, 3, 3], seededFloats(180, 2)),
  bb: seeded([5], 3),
}
const first = [op('Conv', ['x', 'a', 'ab'], 'p'), op('Relu', ['p'], 'r')]

test('what channels never fall below moves into the biases behind, and the rest keeps its precision', async t => {
  const model = modelOf({ constants, nodes: [...first, op('Conv', ['r', 'b', 'bb'], 'y')] })
  const changed = await assertApplied(t, { title: 'absorbed', algorithm, model, inputs, changes: 2 })
  const bias = (node: Node) => Array.from(constantData(changed.graph.constant(node.inputs[2]!)!) as Float32Array)
  const [high, low, zero, one] = bias(changed.graph.producer('p')!)
  t.ok(high! > 0 && high! < 10 && low! > 0 && low! < 10, `${high} and ${low} are left of 200 and 20`)
  t.ok(zero === 0 && one! > 0.5 && one! < 2, `${zero} and ${one} were 0 and 1`)
  const [before, after] = [
    await int8Db(model, model, inputs, { biasCorrection: 'off' }),
    await int8Db(model, changed, inputs, { biasCorrection: 'off' }),
  ]
  t.ok(after > before, `${before.toFixed(1)} dB, then ${after.toFixed(1)} dB`)
})

test('pools without zeros, flattening and matrix products may stand behind', async t => {
  const more = { ...constants, m: seeded([4 * 36, 5], 4), mb: seeded([5], 5), d: seeded([4, 1, 3, 3], 6) }
  const behind = {
    MaxPool: [op('MaxPool', ['r'], 'q', { kernel_shape: ints([3, 3]), pads: ints([1, 1, 1, 1]) }), op('Conv', ['q', 'b', 'bb'], 'y')],
    AveragePool: [op('AveragePool', ['r'], 'q', { kernel_shape: ints([2, 2]) }), op('Conv', ['q', 'b'], 'y')],
    Gemm: [op('Flatten', ['r'], 'q', { axis: int(1) }), op('Gemm', ['q', 'm', 'mb'], 'y', { alpha: float(2), beta: float(0.5) })],
    'MatMul with a sum': [op('Flatten', ['r'], 'q', { axis: int(1) }), op('MatMul', ['q', 'm'], 'u'), op('Add', ['mb', 'u'], 'y')],
    depthwise: [op('Conv', ['r', 'd'], 'y', { group: int(4) })],
    'two readers': [op('Conv', ['r', 'b'], 'u'), op('Conv', ['r', 'b', 'bb'], 'v'), op('Add', ['u', 'v'], 'y')],
  }
  for (const [title, nodes] of Object.entries(behind)) {
    const { changes } = await applied({ algorithm, model: modelOf({ constants: more, nodes: [...first, ...nodes] }), inputs })
    t.match(changes[0]?.what, /2 of 4 channels behind r never come down to zero/, title)
    await assertApplied(t, {
      title,
      algorithm,
      model: modelOf({ constants: more, nodes: [...first, ...nodes] }),
      inputs,
      changes: changes.length,
    })
  }
})

test('where zeros are read at a border, or no bias can take it, nothing is absorbed', async t => {
  const more = { ...constants, m: seeded([4 * 36, 5], 4), c: seeded([4, 4, 1, 1], 7) }
  const padded = { pads: ints([1, 1, 1, 1]) }
  const behind = {
    padding: [op('Conv', ['r', 'b', 'bb'], 'y', padded)],
    'an average with zeros': [
      op('AveragePool', ['r'], 'q', { kernel_shape: ints([3, 3]), ...padded, count_include_pad: int(1) }),
      op('Conv', ['q', 'b', 'bb'], 'y'),
    ],
    'a MatMul alone': [op('Flatten', ['r'], 'q', { axis: int(1) }), op('MatMul', ['q', 'm'], 'y')],
    'a sum of two': [op('Conv', ['x', 'c', 'ab'], 'k'), op('Add', ['r', 'k'], 's'), op('Conv', ['s', 'b', 'bb'], 'y')],
  }
  for (const [title, nodes] of Object.entries(behind)) {
    const { changes } = await applied({ algorithm, model: modelOf({ constants: more, nodes: [...first, ...nodes] }), inputs })
    t.notOk(
      changes.some(({ what }) => what.includes('never come down')),
      title,
    )
  }
})
