import { test } from 'tap'
import { onnxruntimeEngine } from '../../../../src/engines/onnxruntime/engine.js'
import { centredCodes } from '../../../../src/graph/fake-quantize/grid-codes.js'
import { isFakeQuantize } from '../../../../src/graph/fake-quantize/read-fake-quantize.js'
import type { Model } from '../../../../src/graph/graph.js'
import { int, isOp } from '../../../../src/graph/node.js'
import { readModel } from '../../../../src/graph/onnx/read.js'
import { writeModel } from '../../../../src/graph/onnx/write.js'
import { type ConstantTensor, constant, constantData, type Tensor } from '../../../../src/graph/tensor/tensor.js'
import { verifyGraph } from '../../../../src/graph/verify.js'
import { readOwnQuantizer } from '../../../../src/quantization/lowering/fake-quantize/fake-quantize-node.js'
import { buildModel, op, seeded } from '../../../fixtures/graph-builder.js'
import { quantizedFor } from '../../../fixtures/quantization/quantized-for.js'
import { attentionNet, depthwiseNet, residualNet, seededInputs } from '../../../fixtures/quantization/small-models.js'

async function infer(model: Model, inputs: Readonly<Record<string, Tensor>>): Promise<Float32Array> {
  const session = await onnxruntimeEngine.open(writeModel(model), { threads: 1, optimization: 'all' })
  const { y } = await session.infer(inputs)
  await session.close()
  return y!.data as Float32Array
}

function signalToNoise(float: Float32Array, int8: Float32Array): number {
  const sum = (values: Float32Array) => values.reduce((total, value) => total + value * value, 0)
  return 10 * Math.log10(sum(float) / sum(float.map((value, index) => value - int8[index]!)))
}

for (const [name, net] of Object.entries({ residual: residualNet, depthwise: depthwiseNet, attention: attentionNet })) {
  test(`the ${name} net with FakeQuantize is a valid graph that survives its file and stays close to float`, async t => {
    const model = net()
    const inputs = seededInputs(model, 8)
    const { lowered } = await quantizedFor('openvino-cpu', model, inputs)
    const read = readModel(writeModel(lowered.result))
    verifyGraph(read.graph)
    t.equal(read.opsets.get('org.openvinotoolkit'), 1)
    t.same(
      read.graph.nodes.map(({ opType, inputs: reads }) => [opType, ...reads]),
      lowered.result.graph.nodes.map(({ opType, inputs: reads }) => [opType, ...reads]),
    )
    const ratio = signalToNoise(await infer(model, inputs[0]!), await infer(lowered.evaluated(), inputs[0]!))
    t.ok(ratio > 25, `${ratio} dB`)
  })
}

test('each product reads its weights through 255 levels, and the codes that were chosen come back out of them', async t => {
  const model = residualNet()
  const { lowered, weights, placement } = await quantizedFor('openvino-cpu', model, seededInputs(model, 4))
  const { graph } = lowered.result
  for (const unit of placement.units.values()) {
    if (unit.form !== 'linear') continue
    const node = graph.nodes.find(({ name }) => name === unit.main.name)!
    const quantizer = graph.producer(node.inputs[1]!)!
    t.ok(isFakeQuantize(quantizer), node.name)
    const grid = readOwnQuantizer(graph, quantizer)!.takes
    const { codes, scales, shape } = weights.get(unit.main)!
    t.same([grid.low, grid.high, grid.scales.length], [0, 254, scales.length])
    const values = constantData(graph.constant(quantizer.inputs[0]!)!) as Float32Array
    t.same([...centredCodes(values, shape, grid)], [...codes])
  }
})

test('a value has one quantizer, however many read it, and float readers read past it', async t => {
  const model = attentionNet()
  const { lowered } = await quantizedFor('openvino-cpu', model, seededInputs(model, 4))
  const { graph } = lowered.result
  const behind = graph.consumers('x').filter(isFakeQuantize)
  t.equal(behind.length, 1)
  t.same(
    graph.consumers(behind[0]!.outputs[0]!).map(({ name }) => name),
    ['qm', 'km', 'vm'],
  )
  t.ok(
    graph.consumers('x').some(node => isOp(node, 'Add')),
    'the residual sum reads the float',
  )
})

test('bias correction is written where the bias stands: in the convolution, in the addition behind a product', async t => {
  const model = attentionNet()
  const { lowered, biases, placement } = await quantizedFor('openvino-cpu', model, seededInputs(model, 4))
  const unit = [...placement.units.values()].find(({ main }) => main.name === 'om')!
  const addition = lowered.result.graph.producer('ob')!
  const written = constantData(lowered.result.graph.constant(addition.inputs[1]!)!) as Float32Array
  t.same([...written], [...Float32Array.from(biases.get(unit.main)!)])
  t.notSame([...written], [...(constantData(model.graph.constant('bo')!) as Float32Array)], 'it differs from the float bias')
  const plain = residualNet()
  const convolved = await quantizedFor('openvino-cpu', plain, seededInputs(plain, 4))
  t.equal(convolved.lowered.result.graph.producer('c2')!.inputs.length, 3, 'a convolution without bias gets one')
})

test('the same model and samples give the same bytes', async t => {
  const bytes = async () => {
    const model = depthwiseNet()
    return Buffer.from(writeModel((await quantizedFor('openvino-npu', model, seededInputs(model, 4))).lowered.result))
  }
  t.ok((await bytes()).equals(await bytes()))
})

/** Rows of a table, looked up by number, through a matrix. */
const lookup = (table: ConstantTensor): Model =>
  buildModel({
    inputs: { ids: ['int64', [8]] },
    outputs: { y: ['float32', [8, 4]] },
    constants: { table, w: seeded([4, 6], 2) },
    nodes: [op('Gather', ['table', 'ids'], 'rows'), op('Gemm', ['rows', 'w'], 'y', { transB: int(1) })],
  })

const numbers = (count: number) => [
  { ids: { dtype: 'int64' as const, shape: [8], data: BigInt64Array.from({ length: 8 }, (_, at) => BigInt(at % count)) } },
]

test('a table that a quantized operator reads by Gather is quantized itself, and the rows are what quantized rows are', async t => {
  const model = lookup(seeded([8, 6]))
  const [ids] = numbers(8)
  const { lowered, parameters } = await quantizedFor('openvino-cpu', model, [ids!])
  const [gather] = lowered.result.graph.nodes.filter(node => isOp(node, 'Gather'))
  const quantizer = lowered.result.graph.producer(gather!.inputs[0]!)!
  t.ok(isFakeQuantize(quantizer))
  t.equal(quantizer.inputs[0], 'table')
  const { scale } = parameters.get('rows')!.quantize
  const rounded = Float32Array.from(
    constantData(seeded([8, 6])) as Float32Array,
    value => Math.max(-128, Math.min(127, Math.round(value / scale))) * scale,
  )
  const weights = (await quantizedFor('openvino-cpu', lookup(constant('float32', [8, 6], rounded)), [ids!])).lowered.evaluated()
  const [found, wanted] = [await infer(lowered.evaluated(), ids!), await infer(weights, ids!)]
  t.ok(signalToNoise(wanted, found) > 60, `${signalToNoise(wanted, found)} dB between rounding before and after`)
})

test('a table of one sign, whose codes are not around 0, is left as it is', async t => {
  const positive = constant(
    'float32',
    [8, 6],
    Float32Array.from({ length: 48 }, (_, at) => 1 + (at % 7)),
  )
  const { lowered } = await quantizedFor('openvino-cpu', lookup(positive), numbers(8))
  const [gather] = lowered.result.graph.nodes.filter(node => isOp(node, 'Gather'))
  t.equal(gather!.inputs[0], 'table')
})
