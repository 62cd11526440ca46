import { test } from 'tap'
import { onnxruntimeEngine } from '../../../../src/engines/onnxruntime/engine.js'
import type { Model } from '../../../../src/graph/graph.js'
import { string } from '../../../../src/graph/node.js'
import { readModel } from '../../../../src/graph/onnx/read.js'
import { writeModel } from '../../../../src/graph/onnx/write.js'
import type { Tensor } from '../../../../src/graph/tensor/tensor.js'
import { constantData } from '../../../../src/graph/tensor/tensor.js'
import { verifyGraph } from '../../../../src/graph/verify.js'
import { toFloat16 } from '../../../../src/quantization/lowering/float16/to-float16.js'
import { float16Value } from '../../../../src/samples/float16.js'
import { buildModel, f32, op, seeded } from '../../../fixtures/graph-builder.js'
import { attentionNet, depthwiseNet, residualNet, seededInputs } from '../../../fixtures/quantization/small-models.js'

async function infer(model: Model, inputs: Readonly<Record<string, Tensor>>): Promise<Tensor> {
  const session = await onnxruntimeEngine.open(writeModel(model), { threads: 1, optimization: 'all' })
  const { y } = await session.infer(inputs)
  await session.close()
  return y!
}

for (const [name, net] of Object.entries({ residual: residualNet, depthwise: depthwiseNet, attention: attentionNet })) {
  test(`the ${name} net in float16 is half as large and answers in float32 to three digits`, async t => {
    const model = net()
    const half = readModel(writeModel(toFloat16(model)))
    verifyGraph(half.graph)
    t.notOk([...half.graph.initializers.values()].some(({ dtype }) => dtype === 'float32'))
    const [inputs] = seededInputs(model, 1)
    const [wanted, found] = [await infer(model, inputs!), await infer(half, inputs!)]
    t.equal(found.dtype, 'float32')
    const largest = Math.max(...(wanted.data as Float32Array).map(Math.abs))
    t.ok((found.data as Float32Array).every((value, index) => Math.abs(value - Number(wanted.data[index])) < 5e-3 * largest))
    t.notSame([...(found.data as Float32Array)], [...(wanted.data as Float32Array)], 'it did compute in float16')
  })
}

test('constants are rounded half to even and cut at the largest float16', async t => {
  const model = buildModel({
    inputs: { x: ['float32', [1, 4]] },
    outputs: { y: ['float32', [1, 4]] },
    constants: { c: f32([4], [1e6, -1e6, 1 + 2 ** -11, 1 + 3 * 2 ** -11]) },
    nodes: [op('Mul', ['x', 'c'], 'y')],
  })
  const bits = constantData(toFloat16(model).graph.constant('c')!) as Uint16Array
  t.same(Array.from(bits, float16Value), [65504, -65504, 1, 1 + 2 * 2 ** -10])
})

test('inputs that must be float32 are, and a value that is result and operand at once is converted once', async t => {
  const model = buildModel({
    inputs: { x: ['float32', [1, 2, 4, 4]] },
    outputs: { a: ['float32'], y: ['float32'] },
    constants: { w: seeded([2, 2, 1, 1], 1), scales: f32([4], [1, 1, 2, 2]) },
    nodes: [op('Conv', ['x', 'w'], 'a'), op('Resize', ['a', '', 'scales'], 'y', { mode: string('nearest') })],
  })
  const half = toFloat16(model)
  verifyGraph(half.graph)
  const resize = half.graph.nodes.find(({ opType }) => opType === 'Resize')!
  t.equal(half.graph.constant(resize.inputs[2]!)!.dtype, 'float32')
  t.equal(half.graph.nodes.filter(({ opType }) => opType === 'Cast').length, 3)
  t.same((await infer(half, seededInputs(model, 1)[0]!)).shape, [1, 2, 8, 8])
})

test('the model that it was made from is not changed', async t => {
  const model = residualNet()
  const before = writeModel(model)
  toFloat16(model)
  t.ok(Buffer.from(before).equals(Buffer.from(writeModel(model))))
})
