import { test } from 'tap'
import { onnxruntimeEngine } from '../../src/engines/onnxruntime/engine.js'
import type { Model } from '../../src/graph/graph.js'
import { int, ints, makeNode } from '../../src/graph/node.js'
import { writeModel } from '../../src/graph/onnx/write.js'
import { constant } from '../../src/graph/tensor/tensor.js'
import { openVerified } from '../../src/quantization/verify-kernels.js'
import { buildModel, f32, i64, op, seeded } from '../fixtures/graph-builder.js'
import { quantized } from '../fixtures/quantization/quantized.js'
import { attentionNet, seededInputs } from '../fixtures/quantization/small-models.js'

const same = { pads: ints([1, 1, 1, 1]), kernel_shape: ints([3, 3]) }
const perm = (...axes: number[]) => ({ perm: ints(axes) })

/** As exported from TensorFlow: Transposes around every convolution. */
const nhwc = (): Model =>
  buildModel({
    inputs: { x: ['float32', [1, 8, 8, 4]] },
    outputs: { y: ['float32', [1, 8, 8, 6]] },
    constants: { w1: seeded([8, 4, 3, 3], 1), w2: seeded([6, 8, 1, 1], 2) },
    nodes: [
      op('Transpose', ['x'], 'xt', perm(0, 3, 1, 2)),
      op('Conv', ['xt', 'w1'], 'c1', same),
      op('Transpose', ['c1'], 'c1t', perm(0, 2, 3, 1)),
      op('Relu', ['c1t'], 'r'),
      op('Transpose', ['r'], 'rt', perm(0, 3, 1, 2)),
      op('Conv', ['rt', 'w2'], 'c2'),
      op('Transpose', ['c2'], 'y', perm(0, 2, 3, 1)),
    ],
  })

/** ShuffleNet's way: channels in groups, exchanged by Reshape, Transpose, Reshape. */
const shuffle = (): Model =>
  buildModel({
    inputs: { x: ['float32', [1, 8, 6, 6]] },
    outputs: { y: ['float32', [1, 8, 6, 6]] },
    constants: {
      w1: seeded([8, 4, 1, 1], 1),
      w2: seeded([8, 4, 1, 1], 2),
      grouped: i64([5], [1, 2, 4, 6, 6]),
      whole: i64([4], [1, 8, 6, 6]),
    },
    nodes: [
      op('Conv', ['x', 'w1'], 'c1', { group: int(2) }),
      op('Relu', ['c1'], 'r'),
      op('Reshape', ['r', 'grouped'], 'parted'),
      op('Transpose', ['parted'], 'turned', perm(0, 2, 1, 3, 4)),
      op('Reshape', ['turned', 'whole'], 'mixed'),
      op('Conv', ['mixed', 'w2'], 'y', { group: int(2) }),
    ],
  })

/** The same by Gather along the channels, and by Split and Concat. */
const gather = (): Model =>
  buildModel({
    inputs: { x: ['float32', [1, 8, 6, 6]] },
    outputs: { y: ['float32', [1, 8, 6, 6]] },
    constants: {
      w1: seeded([8, 8, 1, 1], 1),
      w2: seeded([4, 4, 3, 3], 2),
      w3: seeded([8, 8, 1, 1], 3),
      order: i64([8], [0, 4, 1, 5, 2, 6, 3, 7]),
      halves: i64([2], [4, 4]),
    },
    nodes: [
      op('Conv', ['x', 'w1'], 'c1'),
      op('Gather', ['c1', 'order'], 'mixed', { axis: int(1) }),
      op('Split', ['mixed', 'halves'], ['left', 'right'], { axis: int(1) }),
      op('Conv', ['left', 'w2'], 'c2', same),
      op('Concat', ['c2', 'right'], 'joined', { axis: int(1) }),
      op('Conv', ['joined', 'w3'], 'y'),
    ],
  })

/** A detector: two scales, a box and a class branch each, joined per kind, then in one tensor. */
const detector = (): Model =>
  buildModel({
    inputs: { x: ['float32', [1, 3, 16, 16]] },
    outputs: { y: ['float32', [1, 7, 80]] },
    constants: {
      w1: seeded([8, 3, 3, 3], 1),
      w2: seeded([16, 8, 3, 3], 2),
      wb1: seeded([4, 8, 3, 3], 3),
      wb2: seeded([4, 16, 3, 3], 4),
      wc1: seeded([3, 8, 3, 3], 5),
      wc2: seeded([3, 16, 3, 3], 6),
      boxes: i64([3], [1, 4, -1]),
      classes: i64([3], [1, 3, -1]),
      anchors: seeded([1, 4, 80], 7),
      stride: f32([], [16]),
    },
    nodes: [
      op('Conv', ['x', 'w1'], 'c1', { ...same, strides: ints([2, 2]) }),
      op('Relu', ['c1'], 'r1'),
      op('Conv', ['r1', 'w2'], 'c2', { ...same, strides: ints([2, 2]) }),
      op('Relu', ['c2'], 'r2'),
      op('Conv', ['r1', 'wb1'], 'b1', same),
      op('Conv', ['r2', 'wb2'], 'b2', same),
      op('Conv', ['r1', 'wc1'], 'k1', same),
      op('Conv', ['r2', 'wc2'], 'k2', same),
      ...['b1', 'b2'].map(name => op('Reshape', [name, 'boxes'], `${name}r`)),
      ...['k1', 'k2'].map(name => op('Reshape', [name, 'classes'], `${name}r`)),
      op('Concat', ['b1r', 'b2r'], 'offsets', { axis: int(2) }),
      op('Concat', ['k1r', 'k2r'], 'logits', { axis: int(2) }),
      op('Add', ['offsets', 'anchors'], 'centres'),
      op('Mul', ['centres', 'stride'], 'pixels'),
      op('Sigmoid', ['logits'], 'scores'),
      op('Concat', ['pixels', 'scores'], 'y', { axis: int(1) }),
    ],
  })

/** A transformer block with operators that an optimizer fused: LayerNormalization, and Gelu and SkipLayerNormalization of com.microsoft. */
function fusedTransformer(): Model {
  const microsoft = (opType: string, inputs: readonly string[], output: string) =>
    makeNode({ name: output, opType, domain: 'com.microsoft', inputs, outputs: [output] })
  const model = buildModel({
    inputs: { x: ['float32', [1, 6, 16]] },
    outputs: { y: ['float32', [1, 6, 16]] },
    constants: {
      gamma: f32([16], new Float32Array(16).fill(1)),
      beta: seeded([16], 1),
      w1: seeded([16, 32], 2),
      b1: seeded([32], 3),
      w2: seeded([32, 16], 4),
    },
    nodes: [
      op('LayerNormalization', ['x', 'gamma', 'beta'], 'n'),
      op('MatMul', ['n', 'w1'], 'm1'),
      op('Add', ['m1', 'b1'], 'a1'),
      microsoft('Gelu', ['a1'], 'g'),
      op('MatMul', ['g', 'w2'], 'm2'),
      microsoft('SkipLayerNormalization', ['m2', 'x', 'gamma', 'beta'], 'y'),
    ],
  })
  // Types of foreign operators are what the file declares.
  model.graph.valueInfo.set('g', { name: 'g', dtype: 'float32', shape: [1, 6, 32] })
  model.graph.valueInfo.set('y', { name: 'y', dtype: 'float32', shape: [1, 6, 16] })
  return { ...model, opsets: new Map([...model.opsets, ['com.microsoft', 1]]) }
}

/** Convolutions over time, one of them dilated and causal, one depthwise, and pooling at the end. */
const oneDimensional = (): Model =>
  buildModel({
    inputs: { x: ['float32', [1, 4, 32]] },
    outputs: { y: ['float32', [1, 3]] },
    constants: { w1: seeded([8, 4, 3], 1), b1: seeded([8], 2), w2: seeded([8, 1, 3], 3), w3: seeded([8, 8, 1], 4), w4: seeded([3, 8], 5) },
    nodes: [
      op('Conv', ['x', 'w1', 'b1'], 'c1', { kernel_shape: ints([3]), dilations: ints([2]), pads: ints([4, 0]) }),
      op('Relu', ['c1'], 'r1'),
      op('Conv', ['r1', 'w2'], 'c2', { kernel_shape: ints([3]), pads: ints([1, 1]), group: int(8) }),
      op('Conv', ['c2', 'w3'], 'c3'),
      op('GlobalAveragePool', ['c3'], 'p'),
      op('Flatten', ['p'], 'f'),
      op('Gemm', ['f', 'w4'], 'y', { transB: int(1) }),
    ],
  })

/** Two tables of learnt rows behind indices, joined, then dense layers. */
const embeddings = (): Model =>
  buildModel({
    inputs: { x: ['float32', [1, 10]] },
    outputs: { y: ['float32', [1, 1]] },
    constants: {
      table: seeded([10, 12], 1),
      ids: constant('int64', [1], BigInt64Array.of(3n)),
      other: constant('int64', [1], BigInt64Array.of(7n)),
      w1: seeded([34, 16], 2),
      b1: seeded([16], 3),
      w2: seeded([16, 1], 4),
      b2: seeded([1], 5),
    },
    nodes: [
      op('ReduceMax', ['x'], 'top', { axes: ints([1]), keepdims: int(0) }),
      op('Cast', ['top'], 'place', { to: int(7) }),
      op('Add', ['place', 'ids'], 'first'),
      op('Add', ['place', 'other'], 'second'),
      op('Gather', ['table', 'first'], 'e1'),
      op('Gather', ['table', 'second'], 'e2'),
      op('Concat', ['e1', 'e2', 'x'], 'joined', { axis: int(1) }),
      op('Gemm', ['joined', 'w1', 'b1'], 'h'),
      op('Relu', ['h'], 'r'),
      op('Gemm', ['r', 'w2', 'b2'], 'y'),
    ],
  })

const cases: readonly (readonly [string, () => Model, Readonly<Record<string, number>>])[] = [
  ['NHWC models full of Transposes', nhwc, { QLinearConv: 2 }],
  ['channel shuffles by Reshape and Transpose', shuffle, { QLinearConv: 2 }],
  ['channel shuffles by Gather, Split and Concat', gather, { QLinearConcat: 1, QLinearConv: 3 }],
  ['detectors with Concat heads', detector, { QLinearConv: 6 }],
  ['transformers in pieces', attentionNet, { MatMulIntegerToFloat: 5, QLinearMatMul: 1 }],
  ['transformers with fused operators', fusedTransformer, { MatMulIntegerToFloat: 2 }],
  ['convolutions over time', oneDimensional, { QGemm: 1, QLinearConv: 3, QLinearGlobalAveragePool: 1 }],
  ['embeddings and dense layers', embeddings, { QGemm: 2 }],
]

for (const [title, net, kernels] of cases) {
  test(`${title}: every product has an integer kernel, and the answer stays close to float`, async t => {
    const model = net()
    const inputs = seededInputs(model, 8)
    const candidate = await quantized(model, inputs)
    const opened = await openVerified(onnxruntimeEngine, candidate.bytes, 1)
    t.same(opened.kernels.integer, kernels)
    t.same([...opened.kernels.floatNames], [], 'no product is left in float')
    const float = await onnxruntimeEngine.open(writeModel(model), { threads: 1, optimization: 'all' })
    let signal = 0
    let noise = 0
    for (const feed of inputs) {
      const want = (await float.infer(feed)).y!.data
      const got = (await opened.session.infer(feed)).y!.data
      for (let at = 0; at < want.length; at += 1) {
        signal += Number(want[at]) ** 2
        noise += (Number(want[at]) - Number(got[at])) ** 2
      }
    }
    t.ok(10 * Math.log10(signal / noise) > 20, `${(10 * Math.log10(signal / noise)).toFixed(1)} dB`)
    await Promise.all([opened.session.close(), float.close()])
  })
}
