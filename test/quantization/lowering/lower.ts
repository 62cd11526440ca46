import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import type { Model } from '../../../src/graph/graph.js'
import { int, ints } from '../../../src/graph/node.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'
import { openVerified } from '../../../src/quantization/verify-kernels.js'
import { buildModel, f32, op, seeded } from '../../fixtures/graph-builder.js'
import { type QuantizedOptions, quantized } from '../../fixtures/quantization/quantized.js'
import { attentionNet, depthwiseNet, residualNet, seededInputs, squeezeNet } from '../../fixtures/quantization/small-models.js'

/** What the engine made of the candidate, and its answers: fused, and with every Q and DQ run as a float operator of its own. */
async function fused(model: Model, options: QuantizedOptions = {}) {
  const inputs = seededInputs(model, 12)
  const candidate = await quantized(model, inputs, options)
  const { session, kernels } = await openVerified(onnxruntimeEngine, candidate.bytes, 1)
  const plain = await onnxruntimeEngine.open(candidate.bytes, { threads: 1, optimization: 'disabled' })
  const output = model.graph.outputs[0]!.name
  const answers = { fused: (await session.infer(inputs[0]!))[output]!, plain: (await plain.infer(inputs[0]!))[output]! }
  await Promise.all([session.close(), plain.close()])
  return { candidate, kernels, answers }
}

/** Largest difference in steps of the last quantizer (or of 1/256 of the span where the last operator answers in float). */
function largestSteps({ fused, plain }: { fused: Tensor; plain: Tensor }, step: number): number {
  let largest = 0
  for (let i = 0; i < plain.data.length; i += 1) largest = Math.max(largest, Math.abs(Number(fused.data[i]) - Number(plain.data[i])) / step)
  return largest
}

const cases = [
  ['residual', residualNet, { QGemm: 1, QLinearAdd: 1, QLinearConv: 2, QLinearGlobalAveragePool: 1 }],
  ['depthwise, HardSwish', depthwiseNet, { QLinearAdd: 1, QLinearConv: 3, QLinearMul: 1 }],
  ['squeeze-excite', squeezeNet, { QLinearConv: 2, QLinearGlobalAveragePool: 1, QLinearMul: 1 }],
  ['attention', attentionNet, { MatMulIntegerToFloat: 5, QLinearMatMul: 1 }],
] as const

for (const [name, net, counts] of cases) {
  test(`${name}: every operator that is placed as int8 has an integer kernel`, async t => {
    const { candidate, kernels } = await fused(net())
    t.same(kernels.integer, counts)
    const products = [...candidate.placement.units.values()].filter(({ form }) => form === 'linear' || form === 'dynamic-matmul')
    for (const { main } of products) t.ok(kernels.integerNames.has(main.name) && !kernels.floatNames.has(main.name), main.name)
  })

  test(`${name}: the integer kernels give what the file says, to one step`, async t => {
    const { candidate, answers } = await fused(net())
    const last = [...candidate.parameters.values()].at(-1)!.dequantize.scale
    t.ok(largestSteps(answers, last) <= 1.01, `${largestSteps(answers, last)} steps`)
  })
}

test('int8 activations say the same as uint8 ones, 128 lower', async t => {
  for (const net of [residualNet, depthwiseNet, squeezeNet]) {
    const unsigned = await fused(net())
    const signed = await fused(net(), { activationCodes: 'int8' })
    t.same(signed.answers.plain.data, unsigned.answers.plain.data)
    const codes = [...signed.candidate.lowered.graph.initializers].filter(([name]) => name.includes('zero/'))
    t.ok(codes.length > 0 && codes.every(([, tensor]) => tensor.dtype === 'int8'))
  }
})

test('a float convolution between integer ones keeps its float weights', async t => {
  const model = buildModel({
    inputs: { x: ['float32', ['n', 4, 8, 8]] },
    outputs: { y: ['float32', ['n', 4, 8, 8]] },
    constants: { w1: seeded([4, 4, 1, 1], 1), w2: seeded([4, 4, 1, 1], 2), w3: seeded([4, 4, 1, 1], 3) },
    nodes: [op('Conv', ['x', 'w1'], 'a'), op('Conv', ['a', 'w2'], 'b'), op('Relu', ['b'], 'r'), op('Conv', ['r', 'w3'], 'y')],
  })
  const { kernels } = await fused(model, { recipe: { keepFloat: new Map([['b', 'because']]) } })
  t.same(kernels.integer, { QLinearConv: 2 })
})

test('an average becomes a depthwise convolution between integer operators', async t => {
  const model = buildModel({
    inputs: { x: ['float32', ['n', 4, 8, 8]] },
    outputs: { y: ['float32', ['n', 4, 4, 4]] },
    constants: { w1: seeded([8, 4, 1, 1], 1), w2: seeded([4, 8, 1, 1], 2) },
    nodes: [
      op('Conv', ['x', 'w1'], 'a'),
      op('AveragePool', ['a'], 'p', { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }),
      op('Conv', ['p', 'w2'], 'y'),
    ],
  })
  const { kernels, answers, candidate } = await fused(model)
  t.same(kernels.integer, { QLinearConv: 3 })
  t.ok(largestSteps(answers, candidate.parameters.get('y')!.dequantize.scale) <= 1.01)
})

test('constants of Add, Mul and Concat become codes', async t => {
  const model = buildModel({
    inputs: { x: ['float32', ['n', 4, 8, 8]] },
    outputs: { y: ['float32', ['n', 2, 8, 8]] },
    constants: {
      w1: seeded([4, 4, 1, 1], 1),
      w2: seeded([2, 8, 1, 1], 2),
      gain: f32([1, 4, 1, 1], [0.5, 1, 2, 4]),
      shift: f32([4, 1, 1], [-1, 0, 0.5, 1]),
      ends: seeded([1, 4, 8, 8], 3),
    },
    nodes: [
      op('Conv', ['x', 'w1'], 'a'),
      op('Mul', ['a', 'gain'], 'm'),
      op('Add', ['m', 'shift'], 's'),
      op('Concat', ['s', 'ends'], 'c', { axis: int(1) }),
      op('Conv', ['c', 'w2'], 'y'),
    ],
  })
  const { kernels, answers, candidate } = await fused(model)
  t.same(kernels.integer, { QLinearAdd: 1, QLinearConcat: 1, QLinearConv: 2, QLinearMul: 1 })
  t.ok(largestSteps(answers, candidate.parameters.get('y')!.dequantize.scale) <= 1.01)
})

test('results of the graph keep their names and no float weight is left behind', async t => {
  const { candidate } = await fused(residualNet())
  t.same(
    candidate.lowered.graph.outputs.map(({ name }) => name),
    ['y'],
  )
  for (const name of ['w1', 'w2', 'w3', 'b1', 'b3']) t.notOk(candidate.lowered.graph.initializers.has(name), name)
})

test('bias correction brings the mean of the output closer to float', async t => {
  const model = buildModel({
    inputs: { x: ['float32', ['n', 16]] },
    outputs: { y: ['float32', ['n', 4]] },
    // One large weight a row makes the step coarse for all others.
    constants: {
      w: f32(
        [4, 16],
        Float32Array.from({ length: 64 }, (_, i) => (i % 16 === 0 ? 20 : 0.07 + (i % 7) * 0.01)),
      ),
    },
    nodes: [op('Gemm', ['x', 'w'], 'y', { transB: int(1) })],
  })
  const inputs = seededInputs(model, 40).map(({ x }) => ({
    x: { ...x!, data: Float32Array.from(x!.data as Float32Array, value => value + 2) },
  }))
  const float = await onnxruntimeEngine.open(writeModel(model), { threads: 1 })
  const drift = async (biasCorrection: 'off' | 'fast') => {
    const { bytes } = await quantized(model, inputs, { biasCorrection })
    const int8 = await onnxruntimeEngine.open(bytes, { threads: 1 })
    const sums = new Float64Array(4)
    for (const feed of inputs) {
      const [wanted, found] = [(await float.infer(feed)).y!.data, (await int8.infer(feed)).y!.data]
      for (let i = 0; i < 4; i += 1) sums[i]! += Number(found[i]) - Number(wanted[i])
    }
    await int8.close()
    return Math.max(...sums.map(sum => Math.abs(sum) / inputs.length))
  }
  const [without, corrected] = [await drift('off'), await drift('fast')]
  await float.close()
  t.ok(corrected < without / 5, `mean error ${without.toFixed(4)} without, ${corrected.toFixed(4)} with correction`)
})
