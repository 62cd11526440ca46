import { test } from 'tap'
import type { Model } from '../../../src/graph/graph.js'
import { int, ints, type Node } from '../../../src/graph/node.js'
import { findDetectionHead } from '../../../src/quantization/placement/find-detection-head.js'
import { buildModel, f32, i64, op, seeded } from '../../fixtures/graph-builder.js'
import { placed } from '../../fixtures/quantization/quantized.js'
import { depthwiseNet, residualNet, seededInputs, squeezeNet } from '../../fixtures/quantization/small-models.js'

const same = { pads: ints([1, 1, 1, 1]), kernel_shape: ints([3, 3]) }
const image = ['float32', [1, 3, 8, 8]] as const

/** A backbone of one convolution and two convolutions as heads: 16 offsets for each of 4 box sides, 5 classes. */
const heads = (tail: readonly Node[], constants: Record<string, ReturnType<typeof f32>> = {}, outputs: readonly string[] = ['y']): Model =>
  buildModel({
    inputs: { x: image },
    outputs: Object.fromEntries(outputs.map(name => [name, ['float32']])),
    constants: {
      wb: seeded([16, 3, 3, 3], 1),
      wbox: seeded([64, 16, 1, 1], 2),
      wcls: seeded([5, 16, 1, 1], 3),
      sides: i64([4], [1, 4, 16, 64]),
      boxes: i64([3], [1, 4, 64]),
      classes: i64([3], [1, 5, 64]),
      ...constants,
    },
    nodes: [
      op('Conv', ['x', 'wb'], 'feature', same),
      op('Relu', ['feature'], 'relu'),
      op('Conv', ['relu', 'wbox'], 'box'),
      op('Conv', ['relu', 'wcls'], 'cls'),
      ...tail,
    ],
  })

/** Expected offsets of a distribution (a convolution with the weights 0..15), pixels from a grid, scores beside them: the head of YOLO 8 and later. */
const decoded = [
  op('Reshape', ['box', 'sides'], 'parted'),
  op('Transpose', ['parted'], 'turned', { perm: ints([0, 2, 1, 3]) }),
  op('Softmax', ['turned'], 'likely', { axis: int(1) }),
  op('Conv', ['likely', 'numbers'], 'offset'),
  op('Reshape', ['offset', 'boxes'], 'offsets'),
  op('Sub', ['grid', 'offsets'], 'corners'),
  op('Mul', ['corners', 'stride'], 'pixels'),
  op('Reshape', ['cls', 'classes'], 'logits'),
  op('Sigmoid', ['logits'], 'scores'),
]
const numbers = {
  numbers: f32(
    [1, 16, 1, 1],
    Array.from({ length: 16 }, (_, i) => i),
  ),
  grid: seeded([1, 4, 64], 4),
  stride: f32([], [8]),
}

async function states(model: Model) {
  const { placement } = await placed(model, seededInputs(model, 1))
  return new Map(placement.layers.map(({ node, state, reason }) => [node.name, { state, reason }]))
}

test('scores beside decoded boxes stay float with all that decodes, the layers before them are int8', async t => {
  const layers = await states(heads([...decoded, op('Concat', ['pixels', 'scores'], 'y', { axis: int(1) })], numbers))
  for (const name of ['feature', 'box', 'cls']) t.equal(layers.get(name)!.state, 'int8', name)
  for (const name of ['offset', 'offsets', 'corners', 'pixels', 'scores', 'y'])
    t.match(layers.get(name), { state: 'float', reason: /scores and coordinates meet in one tensor/ }, name)
})

test('a matrix that decodes behind the mixed tensor is no layer: it stays float with it', async t => {
  const tail = [
    op('Reshape', ['box', 'sides'], 'parted'),
    op('ReduceMax', ['parted'], 'sized', { axes: ints([2]), keepdims: int(0) }),
    op('Reshape', ['cls', 'classes'], 'logits'),
    op('Sigmoid', ['logits'], 'all'),
    op('Slice', ['all', 'zero', 'one', 'one'], 'scores'),
    op('Concat', ['sized', 'scores'], 'mixed', { axis: int(1) }),
    op('Transpose', ['mixed'], 'rows', { perm: ints([0, 2, 1]) }),
    op('MatMul', ['rows', 'matrix'], 'y'),
  ]
  const constants = { zero: i64([1], [0]), one: i64([1], [1]) }
  const square = await states(heads(tail, { ...constants, matrix: seeded([5, 5], 5) }))
  for (const name of ['mixed', 'rows', 'y']) t.match(square.get(name), { state: 'float', reason: /detection head/ }, name)
  const learnt = await states(heads(tail, { ...constants, matrix: seeded([5, 32], 5) }))
  t.equal(learnt.get('y')!.state, 'int8', 'more weights than any decoding needs')
})

test('what leads from layers to NonMaxSuppression and TopK stays float', async t => {
  const suppressed = await states(
    heads(
      [
        ...decoded,
        op('Transpose', ['pixels'], 'rows', { perm: ints([0, 2, 1]) }),
        op('NonMaxSuppression', ['rows', 'scores', 'most', 'overlap'], 'kept'),
        op('Cast', ['kept'], 'y', { to: int(1) }),
      ],
      { ...numbers, most: i64([1], [3]), overlap: f32([1], [0.5]) },
    ),
  )
  for (const name of ['offset', 'pixels', 'rows', 'scores', 'logits'])
    t.match(suppressed.get(name), { state: 'float', reason: /between the layers and NonMaxSuppression/ }, name)
  t.equal(suppressed.get('cls')!.state, 'int8')
  const chosen = heads(
    [op('Reshape', ['cls', 'classes'], 'logits'), op('Sigmoid', ['logits'], 'scores'), op('TopK', ['scores', 'k'], ['y', 'places'])],
    { k: i64([1], [2]) },
  )
  t.same(
    [...findDetectionHead(chosen.graph).keys()].map(({ name }) => name),
    ['scores', 'logits'],
  )
})

test('a Concat of features, gates and plain outputs is no head', async t => {
  for (const net of [residualNet, depthwiseNet, squeezeNet]) t.equal(findDetectionHead(net().graph).size, 0, net.name)
  const inside = heads(
    [op('Sigmoid', ['cls'], 'gate'), op('Concat', ['gate', 'box'], 'joined', { axis: int(1) }), op('Conv', ['joined', 'wlast'], 'y')],
    { wlast: seeded([4, 69, 1, 1], 9) },
  )
  t.equal(findDetectionHead(inside.graph).size, 0, 'a layer follows')
  t.equal(findDetectionHead(heads([op('Concat', ['box', 'cls'], 'y', { axis: int(1) })]).graph).size, 0, 'logits beside logits')
})
