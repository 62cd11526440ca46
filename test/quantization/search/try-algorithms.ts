import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import type { Model } from '../../../src/graph/graph.js'
import { int, ints } from '../../../src/graph/node.js'
import { loadDeviceSpecs } from '../../../src/hardware/match.js'
import { quantize } from '../../../src/quantization/pipeline.js'
import { QuantizeSettings } from '../../../src/quantization/settings.js'
import { buildModel, op, seeded } from '../../fixtures/graph-builder.js'
import { memorySamples } from '../../fixtures/quantization/memory-samples.js'
import { residualNet, seededInputs } from '../../fixtures/quantization/small-models.js'

const same = { pads: ints([1, 1, 1, 1]), kernel_shape: ints([3, 3]) }

/** 390,000 multiply-adds a sample. */
const wideNet = (): Model =>
  buildModel({
    inputs: { x: ['float32', ['n', 4, 8, 8]] },
    outputs: { y: ['float32', ['n', 3]] },
    constants: { w1: seeded([24, 4, 3, 3], 1), b1: seeded([24], 2), w2: seeded([24, 24, 3, 3], 3), w3: seeded([3, 24], 4) },
    nodes: [
      op('Conv', ['x', 'w1', 'b1'], 'c1', same),
      op('Relu', ['c1'], 'r1'),
      op('Conv', ['r1', 'w2'], 'c2', same),
      op('Relu', ['c2'], 'r2'),
      op('GlobalAveragePool', ['r2'], 'p'),
      op('Flatten', ['p'], 'f'),
      op('Gemm', ['f', 'w3'], 'y', { transB: int(1) }),
    ],
  })

/** What equalization did, with the indices of the samples in the order in which they were read. */
async function equalized(model: Model, count: number) {
  const inputs = seededInputs(model, count)
  const held = memorySamples(inputs)
  const read: number[] = []
  const result = await quantize({
    model,
    sha256: 'f'.repeat(64),
    name: 'small',
    bytes: 1000,
    samples: {
      ...held,
      read: index => {
        read.push(index)
        return held.read(index)
      },
    },
    heldOut: memorySamples([]),
    spec: (await loadDeviceSpecs()).find(({ name }) => name === 'cpu-x64-vnni')!,
    settings: QuantizeSettings.parse({ equalization: 'on', channel_alignment: 'off', smooth_quant: 'off' }),
    engine: onnxruntimeEngine,
  })
  return { entry: result.report.algorithms?.find(({ name }) => name === 'equalization'), read, bytes: result.bytes }
}

/** How often a sample was read. */
const readings = (read: readonly number[], index: number) => read.filter(each => each === index).length

test('what an algorithm made of a model is observed on 64 samples from all over, and the report says so', async t => {
  const { entry, read, bytes } = await equalized(wideNet(), 128)
  t.match(entry, { state: 'applied', sentence: /, observed on 64 of the samples$/ })
  t.ok(readings(read, 126) > readings(read, 127), 'every second sample is one of the trial, up to the end')
  t.same((await equalized(wideNet(), 128)).bytes, bytes)
})

test('where all samples are few, or take next to no time, all are looked at', async t => {
  const few = await equalized(wideNet(), 40)
  t.match(few.entry, { state: 'applied', sentence: /with it$/ })
  const tiny = await equalized(residualNet(), 128)
  t.match(tiny.entry, { state: 'applied', sentence: /with it$/ })
  t.ok(readings(tiny.read, 127) > 1)
})
