import { test } from 'tap'
import { onnxruntimeEngine } from '../../../../src/engines/onnxruntime/engine.js'
import type { Model } from '../../../../src/graph/graph.js'
import { int } from '../../../../src/graph/node.js'
import { writeModel } from '../../../../src/graph/onnx/write.js'
import { openvinoDomain } from '../../../../src/graph/openvino-domain.js'
import { constantData } from '../../../../src/graph/tensor/tensor.js'
import { emulateQuantizers } from '../../../../src/quantization/lowering/fake-quantize/emulate-quantizers.js'
import { asymmetricRange, symmetricRange } from '../../../../src/quantization/ranges/affine.js'
import { fakeQuantize } from '../../../../src/quantization/ranges/fake-quantize.js'
import { buildModel, f32, op, seededFloats } from '../../../fixtures/graph-builder.js'

interface Limits {
  readonly low: readonly number[]
  readonly high: readonly number[]
  readonly outLow?: readonly number[]
  readonly outHigh?: readonly number[]
  readonly levels?: number
  readonly shape?: readonly number[]
}

function model({ low, high, outLow = low, outHigh = high, levels = 256, shape = [] }: Limits, constantInput?: Float32Array): Model {
  const base = buildModel({
    inputs: { x: ['float32', [1, 2, 600]] },
    outputs: { y: ['float32', [1, 2, 600]] },
    constants: {
      il: f32(shape, low),
      ih: f32(shape, high),
      ol: f32(shape, outLow),
      oh: f32(shape, outHigh),
      ...(constantInput === undefined ? {} : { w: f32([1, 2, 600], constantInput) }),
    },
    nodes:
      constantInput === undefined
        ? [{ ...op('FakeQuantize', ['x', 'il', 'ih', 'ol', 'oh'], 'y', { levels: int(levels) }), domain: openvinoDomain }]
        : [
            { ...op('FakeQuantize', ['w', 'il', 'ih', 'ol', 'oh'], 'q', { levels: int(levels) }), domain: openvinoDomain },
            op('Mul', ['x', 'q'], 'y'),
          ],
  })
  return { ...base, opsets: new Map([...base.opsets, [openvinoDomain, 1]]) }
}

/** 1200 values, spread well beyond both limits of any case. */
const values = seededFloats(1200, 7).map(value => value * 9)

async function answers(emulation: Model): Promise<Float32Array> {
  const session = await onnxruntimeEngine.open(writeModel(emulation), { threads: 1, optimization: 'all' })
  const { y } = await session.infer({ x: { dtype: 'float32', shape: [1, 2, 600], data: values } })
  await session.close()
  return y!.data as Float32Array
}

/** Largest distance from the reference in steps of the output, and how many values differ by more than rounding. */
function distances(found: Float32Array, { low, high, outLow = low, outHigh = high, levels = 256 }: Limits) {
  let largest = 0
  let moved = 0
  found.forEach((value, index) => {
    const channel = low.length === 1 ? 0 : Math.floor(index / 600)
    const [inputLow, inputHigh, outputLow, outputHigh] = [low[channel]!, high[channel]!, outLow[channel]!, outHigh[channel]!]
    const wanted = fakeQuantize(values[index]!, { inputLow, inputHigh, outputLow, outputHigh, levels })
    const steps = Math.abs(value - wanted) / ((outputHigh - outputLow) / (levels - 1))
    largest = Math.max(largest, steps)
    if (steps > 0.01) moved += 1
  })
  return { largest, moved }
}

const symmetric = symmetricRange({ low: -4, high: 3 })
const asymmetric = asymmetricRange({ low: -1, high: 3 })
const cases: Readonly<Record<string, Limits>> = {
  symmetric: { low: [symmetric.low], high: [symmetric.high] },
  asymmetric: { low: [asymmetric.low], high: [asymmetric.high] },
  unsigned: { low: [0], high: [6] },
  'per channel': { low: [symmetric.low, 0], high: [symmetric.high, 2], shape: [1, 2, 1] },
  'narrow range': { low: [-2], high: [2], levels: 255 },
  'few levels': { low: [-2], high: [2], levels: 16 },
  requantizing: { low: [-2], high: [2], outLow: [0], outHigh: [10] },
  'without a zero': { low: [1], high: [2] },
}

for (const [name, limits] of Object.entries(cases)) {
  test(`the emulation of a ${name} quantizer is the reference but for ties`, async t => {
    const emulation = emulateQuantizers(model(limits))
    t.notOk(emulation.graph.nodes.some(({ opType }) => opType === 'FakeQuantize'))
    t.notOk(emulation.opsets.has(openvinoDomain))
    const { largest, moved } = distances(await answers(emulation), limits)
    t.ok(largest <= 1.001, `${largest} steps`)
    t.ok(moved <= 2, `${moved} of 1200 values`)
  })
}

test('around a zero that is a code it is QuantizeLinear and DequantizeLinear, kept from what reads them', async t => {
  const types = (limits: Limits) => emulateQuantizers(model(limits)).graph.nodes.map(({ opType }) => opType)
  t.same(types(cases['per channel']!), ['QuantizeLinear', 'DequantizeLinear', 'Max'])
  t.notOk(types(cases['without a zero']!).includes('QuantizeLinear'))
})

test('a quantized constant is a constant on the grid of its range', async t => {
  const limits: Limits = { low: [-2, -0.5], high: [2, 0.5], levels: 255, shape: [1, 2, 1] }
  const { graph } = emulateQuantizers(model(limits, values))
  t.same(
    graph.nodes.map(({ opType }) => opType),
    ['Mul'],
  )
  const folded = constantData(graph.constant(graph.nodes[0]!.inputs[1]!)!) as Float32Array
  const { largest, moved } = distances(folded, limits)
  t.ok(largest <= 1.001 && moved <= 2, `${largest} steps, ${moved} values`)
  t.same([...graph.initializers.keys()], [graph.nodes[0]!.inputs[1]], 'nothing else is left of it')
})

test('steps that are powers of two give exact multiples', async t => {
  const limits: Limits = { low: [-127 / 64], high: [127 / 64], levels: 255 }
  const { graph } = emulateQuantizers(model(limits, values))
  const folded = constantData(graph.constant(graph.nodes[0]!.inputs[1]!)!) as Float32Array
  t.ok(folded.every(value => Number.isInteger(value * 64)))
})
