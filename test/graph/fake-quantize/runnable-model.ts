import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import { runnableModel } from '../../../src/graph/fake-quantize/runnable-model.js'
import type { Model } from '../../../src/graph/graph.js'
import { int } from '../../../src/graph/node.js'
import { readModel } from '../../../src/graph/onnx/read.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import { verifyGraph } from '../../../src/graph/verify.js'
import { fakeQuantize } from '../../../src/quantization/ranges/fake-quantize.js'
import { buildModel, f32, op, runModel } from '../../fixtures/graph-builder.js'
import { seededInputs } from '../../fixtures/quantization/small-models.js'
import { trainedNet } from '../../fixtures/quantization/trained-net.js'
import { evaluateHere } from '../../fixtures/rewritten.js'

const runnable = (model: Model) => runnableModel(readModel(writeModel(model)), { evaluate: evaluateHere })

test('a trained model with FakeQuantize answers as the same model with Q/DQ does, to the last bit', async t => {
  const [feed] = seededInputs(trainedNet('qdq'), 1)
  const expected = (await runModel(trainedNet('qdq'), feed!)).y!.data
  for (const form of ['fake-quantize', 'plain-fake-quantize'] as const) {
    const model = await runnable(trainedNet(form))
    verifyGraph(model.graph)
    t.same((await runModel(model, feed!)).y!.data, expected, form)
  }
})

test('a model without FakeQuantize is handed back as it is', async t => {
  const model = trainedNet('qdq')
  t.equal(await runnableModel(model, { evaluate: evaluateHere }), model)
})

/** Limits, levels, and whether the data are away from ties, where QuantizeLinear and FakeQuantize may differ by one code (quantization.md 1.6). */
const cases = [
  { title: '256 levels', il: -1, ih: 1.55, ol: -1, oh: 1.55, levels: 256 },
  { title: 'zero between codes', il: -1, ih: 3, ol: -1, oh: 3, levels: 256 },
  { title: 'another range at the output', il: -1, ih: 2, ol: 0, oh: 10, levels: 256 },
  { title: '5 levels', il: -1, ih: 1, ol: -1, oh: 1, levels: 5 },
  { title: '255 levels', il: -1.27, ih: 1.27, ol: -1.27, oh: 1.27, levels: 255 },
  { title: '65536 levels', il: 0, ih: 2, ol: 0, oh: 2, levels: 65536 },
  { title: 'a step', il: 0.3, ih: 0.3, ol: -1, oh: 1, levels: 2 },
  { title: 'limits out of order', il: 1, ih: -1, ol: -1, oh: 1, levels: 256 },
]

test('whatever the limits, the answer is that of the reference', async t => {
  for (const { title, il, ih, ol, oh, levels } of cases) {
    for (const constant of [false, true]) {
      const data = Float32Array.from({ length: 64 }, (_, index) => (index - 30) / 17.3)
      const model = buildModel({
        inputs: { x: ['float32', [64]] },
        outputs: { y: ['float32', [64]] },
        constants: { il: f32([], [il]), ih: f32([], [ih]), ol: f32([1], [ol]), oh: f32([1], [oh]), c: f32([64], data) },
        nodes: [
          op('FakeQuantize', [constant ? 'c' : 'x', 'il', 'ih', 'ol', 'oh'], 'q', { levels: int(levels) }),
          op('Add', ['q', 'x'], 's'),
          op('Sub', ['s', 'x'], 'y'),
        ],
      })
      const { y } = await runModel(await runnable(model), { x: { dtype: 'float32', shape: [64], data } })
      const reference = { inputLow: il, inputHigh: ih, outputLow: ol, outputHigh: oh, levels }
      data.forEach((value, index) => {
        const expected = fakeQuantize(value, reference)
        t.ok(
          Math.abs(Number(y!.data[index]) - expected) < 1e-5,
          `${title}, ${constant ? 'constant' : 'computed'} ${value}: ${y!.data[index]} ${expected}`,
        )
      })
    }
  }
})

test('ONNX Runtime opens a file with FakeQuantize, with or without a domain', async t => {
  for (const form of ['fake-quantize', 'plain-fake-quantize'] as const) {
    const [feed] = seededInputs(trainedNet(form), 1)
    const session = await onnxruntimeEngine.open(writeModel(trainedNet(form)), { threads: 1, optimization: 'disabled' })
    t.teardown(() => session.close())
    t.same((await session.infer(feed!)).y!.data, (await runModel(trainedNet('qdq'), feed!)).y!.data, form)
  }
})
