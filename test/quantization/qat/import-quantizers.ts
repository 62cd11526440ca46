import { test } from 'tap'
import type { Model } from '../../../src/graph/graph.js'
import { int, ints } from '../../../src/graph/node.js'
import { readModel } from '../../../src/graph/onnx/read.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import { constant, constantData, scalar } from '../../../src/graph/tensor/tensor.js'
import { verifyGraph } from '../../../src/graph/verify.js'
import { bringsQuantizers, importQuantizers } from '../../../src/quantization/qat/import-quantizers.js'
import { buildModel, f32, op, runModel, seeded } from '../../fixtures/graph-builder.js'
import { seededInputs } from '../../fixtures/quantization/small-models.js'
import { codesOf, factorsOf, learnt, learntWeights, trainedForms, trainedNet } from '../../fixtures/quantization/trained-net.js'
import { evaluateHere } from '../../fixtures/rewritten.js'

const imported = (model: Model, weightRange: 'full' | 'half' = 'full') =>
  importQuantizers(readModel(writeModel(model)), { evaluate: evaluateHere, weightRange })

test('activation quantizers come out with scale and zero point to the last bit, whatever form the file has', async t => {
  for (const form of trainedForms) {
    const { given, notes } = await imported(trainedNet(form))
    t.same(notes, [], form)
    t.same(Object.fromEntries(given.activations), learnt, form)
  }
})

test('weights keep their codes; batch norm goes into their scales, a negative factor into their signs', async t => {
  for (const form of trainedForms) {
    const { given, model } = await imported(trainedNet(form))
    t.equal(given.weights.size, 3, form)
    for (const [name, norm] of [
      ['w1', 'bn1'],
      ['w2', 'bn2'],
      ['w3', undefined],
    ] as const) {
      const { codes, scales, axis } = given.weights.get(norm === undefined ? name : `${name}_scaled`)!
      const factors = norm === undefined ? learntWeights[name].scales.map(() => 1) : factorsOf(norm)
      const inner = codes.length / scales.length
      t.same(
        codes,
        codesOf(name).map((code, index) => code * Math.sign(factors[Math.floor(index / inner)]!)),
        `${form} ${name}`,
      )
      t.equal(axis, 0)
      scales.forEach((scale, channel) => {
        const exact = learntWeights[name].scales[channel]! * Math.abs(factors[channel]!)
        t.ok(Math.abs(scale - exact) <= (norm === undefined ? 0 : exact * 2 ** -22), `${form} ${name} ${channel}: ${scale} ${exact}`)
      })
      const values = constantData(model.graph.constant(norm === undefined ? name : `${name}_scaled`)!) as Float32Array
      t.ok(
        values.every((value, index) => Math.abs(value - codes[index]! * scales[Math.floor(index / inner)]!) <= Math.abs(value) * 2 ** -21),
      )
    }
  }
})

test('every form leaves the same float model, which is the net without its quantizers', async t => {
  const models = []
  for (const form of trainedForms) models.push(await imported(trainedNet(form)))
  for (const { model } of models) {
    verifyGraph(model.graph)
    t.notOk(bringsQuantizers(model))
    t.same(
      model.graph.nodes.map(({ opType }) => opType),
      ['Conv', 'Relu', 'Conv', 'Add', 'Relu', 'GlobalAveragePool', 'Flatten', 'Gemm'],
    )
  }
  const [feed] = seededInputs(trainedNet('float'), 1)
  const expected = (await runModel(trainedNet('float'), feed!)).y!.data as Float32Array
  for (const [at, { model }] of models.entries()) {
    const { y } = await runModel(model, feed!)
    t.ok(
      (y!.data as Float32Array).every((value, index) => Math.abs(value - expected[index]!) < 1e-4),
      trainedForms[at]!,
    )
  }
})

test('a model without quantizers brings none', async t => {
  t.notOk(bringsQuantizers(trainedNet('float')))
  for (const form of trainedForms) t.ok(bringsQuantizers(trainedNet(form)), form)
})

test('where the processor would saturate, weights with large codes are quantized anew and said to be', async t => {
  const { given, notes } = await imported(trainedNet('qdq'), 'half')
  t.equal(given.weights.size, 0)
  t.match(notes, [/'w1_scaled', 'w2_scaled', 'w3'.*within \+-64/])
  t.equal(given.activations.size, 5)
})

/** x -> quantizer -> Conv, with other ways of quantizing x. */
const withQuantizer = (nodes: readonly ReturnType<typeof op>[], constants: Record<string, ReturnType<typeof f32>>): Model =>
  buildModel({
    inputs: { x: ['float32', ['n', 2, 4, 4]] },
    outputs: { y: ['float32', ['n', 3, 4, 4]] },
    constants: { w: seeded([3, 2, 1, 1], 1), ...constants },
    nodes: [...nodes, op('Conv', ['q', 'w'], 'y')],
  })

const fake = (limits: readonly string[], levels: number) => op('FakeQuantize', ['x', ...limits], 'q', { levels: int(levels) })
const number = (value: number) => f32([], [value])

test('zero that lies between two codes is nudged onto one, and said to be', async t => {
  const { given, notes } = await imported(withQuantizer([fake(['low', 'high', 'low', 'high'], 256)], { low: number(-1), high: number(3) }))
  // quantization.md 12.1: -1, 3 becomes -1.005235602, 3 with zero point 64.
  t.equal(given.activations.get('x')!.zeroPoint, 64)
  t.ok(Math.abs(given.activations.get('x')!.scale - 0.0157068063) < 1e-9)
  t.match(notes, [/'x': .*zero is exactly a code/])
})

test('limits that differ at input and output are a scale and shift in front of a plain quantizer', async t => {
  const model = withQuantizer([fake(['il', 'ih', 'ol', 'oh'], 256)], {
    il: number(0),
    ih: number(2.55),
    ol: number(0),
    oh: number(5.1),
  })
  const { given, model: float, notes } = await imported(model)
  t.match(notes, [/scale and shift/])
  t.equal(given.activations.size, 1)
  const [feed] = seededInputs(model, 1)
  const { y } = await runModel(float, feed!)
  const plain = await runModel(withQuantizer([op('Mul', ['x', 'two'], 'q')], { two: number(2) }), feed!)
  t.ok((y!.data as Float32Array).every((value, index) => Math.abs(value - Number(plain.y!.data[index])) < 1e-5))
})

test('few levels are kept by a Clip in front, a binary step is computed in float', async t => {
  const few = await imported(withQuantizer([fake(['low', 'high', 'low', 'high'], 16)], { low: number(0), high: number(1.5) }))
  t.match(few.notes, [/16 levels kept by a float Clip/])
  t.match([...few.given.activations.values()], [{ scale: Math.fround(0.1), zeroPoint: 0 }])
  const step = withQuantizer([fake(['at', 'at', 'low', 'high'], 2)], { at: number(0.25), low: number(-1), high: number(1) })
  const binary = await imported(step)
  t.match(binary.notes, [/computed in float/])
  t.equal(binary.given.activations.size, 0)
  const [feed] = seededInputs(step, 1)
  const signs = { x: { ...feed!.x!, data: (feed!.x!.data as Float32Array).map(value => (value > 0.25 ? 1 : -1)) } }
  const expected = (await runModel(withQuantizer([op('Identity', ['x'], 'q')], {}), signs)).y!.data as Float32Array
  const found = (await runModel(binary.model, feed!)).y!.data as Float32Array
  t.ok(found.every((value, index) => Math.abs(value - expected[index]!) < 1e-5))
})

test('activations per channel and of 16 bits keep their learnt range on 256 levels of one tensor', async t => {
  const channels = await imported(
    withQuantizer([fake(['low', 'high', 'low', 'high'], 256)], { low: f32([1, 2, 1, 1], [0, 0]), high: f32([1, 2, 1, 1], [1, 2.55]) }),
  )
  t.match(channels.notes, [/one range for all channels/])
  t.same([...channels.given.activations.values()], [{ scale: Math.fround(0.01), zeroPoint: 0 }])
  const wide = await imported(withQuantizer([fake(['low', 'high', 'low', 'high'], 65536)], { low: number(0), high: number(2.55) }))
  t.match(wide.notes, [/256 levels/])
  t.same([...wide.given.activations.values()], [{ scale: Math.fround(0.01), zeroPoint: 0 }])
})

test('a quantizer from zero up stands for the Relu that was left out, so the float model has it again', async t => {
  const model = buildModel({
    inputs: { x: ['float32', ['n', 2, 4, 4]] },
    outputs: { y: ['float32', ['n', 2, 4, 4]] },
    constants: { w: seeded([2, 2, 1, 1], 1), scale: number(0.01), zero: scalar('uint8', Uint8Array.of(0)) },
    nodes: [
      op('Conv', ['x', 'w'], 'c'),
      op('QuantizeLinear', ['c', 'scale', 'zero'], 'codes'),
      op('DequantizeLinear', ['codes', 'scale', 'zero'], 'd'),
      op('MaxPool', ['d'], 'm', { kernel_shape: ints([1, 1]) }),
      op('QuantizeLinear', ['m', 'scale', 'zero'], 'codes2'),
      op('DequantizeLinear', ['codes2', 'scale', 'zero'], 'y'),
    ],
  })
  const { model: float } = await imported(model)
  t.same(
    float.graph.nodes.map(({ opType }) => opType),
    ['Conv', 'Clip', 'MaxPool'],
  )
  const [feed] = seededInputs(model, 1)
  t.ok(((await runModel(float, feed!)).y!.data as Float32Array).every(value => value >= 0))
})

test('weights behind a Transpose, in unsigned codes and along a wrong axis', async t => {
  const product = (constants: Record<string, ReturnType<typeof f32>>, axis: number | undefined, transposed: boolean): Model =>
    buildModel({
      inputs: { x: ['float32', ['n', 4]] },
      outputs: { y: ['float32', ['n', 3]] },
      constants,
      nodes: [
        op('DequantizeLinear', ['w', 'scale', 'zero'], 'd', axis === undefined ? {} : { axis: int(axis) }),
        ...(transposed ? [op('Transpose', ['d'], 't')] : []),
        op('MatMul', ['x', transposed ? 't' : 'd'], 'y'),
      ],
    })
  const codes = Int8Array.from({ length: 12 }, (_, index) => index * 20 - 110)
  const scales = f32([3], [0.01, 0.02, 0.03])
  const zeros = constant('int8', [3], new Int8Array(3))
  const turned = await imported(product({ w: constant('int8', [3, 4], codes), scale: scales, zero: zeros }, 0, true))
  const [weights] = turned.given.weights.values()
  t.same([weights!.axis, weights!.codes[1], weights!.codes[3]], [1, codes[4], codes[1]])
  const unsigned = Uint8Array.from(codes, code => code + 128)
  const centred = await imported(
    product({ w: constant('uint8', [4, 3], unsigned), scale: number(0.5), zero: scalar('uint8', Uint8Array.of(128)) }, undefined, false),
  )
  t.same([...centred.given.weights.values()][0]!.codes, codes)
  const skewed = await imported(
    product({ w: constant('uint8', [4, 3], unsigned), scale: number(0.5), zero: scalar('uint8', Uint8Array.of(3)) }, undefined, false),
  )
  t.equal(skewed.given.weights.size, 0)
  t.match(skewed.notes, [/'w': its codes are not those of symmetric int8 weights/])
  const along = await imported(
    product({ w: constant('int8', [4, 3], codes), scale: f32([4], [1, 2, 3, 4]), zero: constant('int8', [4], new Int8Array(4)) }, 0, false),
  )
  t.equal(along.given.weights.size, 0)
  t.match(along.notes, [/do not go with its output channels/])
})

test('a FakeQuantize that is not valid is refused by its code', async t => {
  const limits = { low: number(0), high: number(1) }
  await t.rejects(imported(withQuantizer([fake(['low', 'high', 'low', 'high'], 1)], limits)), { code: 'ERR_GRAPH_FAKE_QUANTIZE' })
  await t.rejects(imported(withQuantizer([fake(['low', 'high'], 256)], limits)), { code: 'ERR_GRAPH_FAKE_QUANTIZE' })
})
