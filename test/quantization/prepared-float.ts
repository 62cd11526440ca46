import { test } from 'tap'
import { onnxruntimeEngine } from '../../src/engines/onnxruntime/engine.js'
import { int, ints } from '../../src/graph/node.js'
import { readModel } from '../../src/graph/onnx/read.js'
import { writeModel } from '../../src/graph/onnx/write.js'
import { preparedFloat } from '../../src/quantization/prepared-float.js'
import { buildModel, f32, op, seededFloats } from '../fixtures/graph-builder.js'
import { residualNet, seededInputs } from '../fixtures/quantization/small-models.js'

const options = { engine: onnxruntimeEngine, threads: 1 }

/** Hard swish as exporters of opset 9 write it: x * clip(x + 3, 0, 6) / 6. */
const spelledOut = () =>
  buildModel({
    opset: 9,
    inputs: { x: ['float32', ['n', 4, 8, 8]] },
    outputs: { y: ['float32', ['n', 8, 8, 8]] },
    constants: { w: f32([8, 4, 3, 3], seededFloats(288, 1)), three: f32([1], [3]), six: f32([1], [6]) },
    nodes: [
      op('Conv', ['x', 'w'], 'c', { pads: ints([1, 1, 1, 1]), group: int(1) }),
      op('Add', ['c', 'three'], 'a'),
      op('Clip', ['a'], 'l', { min: { kind: 'float', value: 0 }, max: { kind: 'float', value: 6 } }),
      op('Mul', ['c', 'l'], 'm'),
      op('Div', ['m', 'six'], 'y'),
    ],
  })

test('what the engine runs as other operators is given, and answers the same', async t => {
  const model = spelledOut()
  const bytes = await preparedFloat(model, options)
  t.ok(bytes !== undefined)
  t.ok(readModel(bytes!).graph.nodes.length < model.graph.nodes.length)
  const [inputs] = seededInputs(model, 1)
  const answers: Float32Array[] = []
  for (const artifact of [writeModel(model), bytes!]) {
    const session = await onnxruntimeEngine.open(artifact, { threads: 1 })
    answers.push((await session.infer(inputs!)).y!.data as Float32Array)
    await session.close()
  }
  const apart = answers[0]!.map((value, index) => Math.abs(value - answers[1]![index]!))
  t.ok(Math.max(...apart) < 1e-5)
})

test('what the engine runs as the same operators is not, nor is a model with quantizers of its own', async t => {
  t.equal(await preparedFloat(residualNet(), options), undefined)
  const trained = spelledOut()
  const constants = { scale: f32([], [0.1]) }
  const quantized = buildModel({
    inputs: { x: ['float32', ['n', 4]] },
    outputs: { y: ['float32', ['n', 4]] },
    constants,
    nodes: [op('QuantizeLinear', ['x', 'scale'], 'q'), op('DequantizeLinear', ['q', 'scale'], 'y')],
  })
  t.equal(await preparedFloat(quantized, options), undefined)
  t.ok((await preparedFloat(trained, options)) !== undefined)
})

test('an engine that does not tell what it runs gets the prepared model', async t => {
  const { open } = onnxruntimeEngine
  const silent = {
    ...onnxruntimeEngine,
    open: (artifact: string | Uint8Array, { optimizedPath: _, ...rest }: Parameters<typeof open>[1]) => open(artifact, rest),
  }
  t.ok((await preparedFloat(residualNet(), { engine: silent, threads: 1 })) !== undefined)
})
