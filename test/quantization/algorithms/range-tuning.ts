import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import type { Model } from '../../../src/graph/graph.js'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'
import { tuneRanges } from '../../../src/quantization/algorithms/range-tuning.js'
import type { ActivationMode } from '../../../src/quantization/ranges/affine.js'
import { observe } from '../../../src/quantization/statistics/observe.js'
import { buildModel, f32, floats, op } from '../../fixtures/graph-builder.js'
import { quantized } from '../../fixtures/quantization/quantized.js'
import { attentionNet, depthwiseNet, residualNet, seededInputs } from '../../fixtures/quantization/small-models.js'
import { outputNoise, walkOf } from '../../fixtures/quantization/walk.js'

type Inputs = readonly Readonly<Record<string, Tensor>>[]

async function tuned(model: Model, inputs: Inputs, mode: ActivationMode = 'asymmetric') {
  const before = await quantized(model, inputs, { recipe: { mode } })
  const walk = await walkOf(model, before, inputs)
  const values = [...before.placement.quantizers.values()].filter(({ fixed }) => fixed === undefined).map(({ value }) => value)
  const { statistics } = await observe({
    ...walk,
    wanted: { ranges: values, nonNegative: new Set(), reducers: ['extremes'], quantile: 1e-4, means: [] },
    engine: onnxruntimeEngine,
    reference: { output: model.graph.outputs[0]!.name, count: 0 },
  })
  const ranges = await tuneRanges({ ...walk, statistics, mode })
  const after = await quantized(model, inputs, {
    recipe: { mode, tuned: { name: 'tuning', weights: new Map(), biases: new Map(), ranges } },
  })
  return { before, after, ranges, again: () => tuneRanges({ ...walk, statistics, mode }) }
}

/** A sum that goes far below what ELU can tell apart. */
const eluNet = () =>
  buildModel({
    inputs: { x: ['float32', ['n', 2, 8, 8]] },
    outputs: { y: ['float32', ['n', 1, 8, 8]] },
    constants: { w1: f32([2, 2, 1, 1], [30, 0, 0, 30]), b1: f32([2], [-27, -28]), w2: f32([1, 2, 1, 1], [1, -1]) },
    nodes: [op('Conv', ['x', 'w1', 'b1'], 'a'), op('Elu', ['a'], 'e'), op('Conv', ['e', 'w2'], 'y')],
  })

/** Most values near 0, few of them large. */
const rarelyLarge = ({ x }: Readonly<Record<string, Tensor>>) => ({
  x: { ...x!, data: (x!.data as Float32Array).map(value => 8 * value ** 9) },
})

test('what lies where the next activation is flat gets no steps', async t => {
  const model = eluNet()
  const inputs = seededInputs(model, 6)
  const { before, after, ranges } = await tuned(model, inputs)
  const [wide, narrow] = [before.parameters.get('a')!.range, ranges.get('a')!]
  t.ok(wide.low < -50 && narrow.low > -15, `low end ${wide.low} before, ${narrow.low} after`)
  t.equal(after.parameters.get('a')!.estimator, 'tuned')
  const [noiseBefore, noiseAfter] = [await outputNoise(model, before.bytes, inputs), await outputNoise(model, after.bytes, inputs)]
  t.ok(noiseAfter < noiseBefore / 2, `noise ${noiseBefore} before, ${noiseAfter} after`)
})

test('the output is closer to float with tuned ranges, never wider than what was seen, and the same call gives the same ranges', async t => {
  for (const [name, model, mode] of [
    ['residual', residualNet(), 'asymmetric'],
    ['depthwise', depthwiseNet(), 'asymmetric'],
    ['residual, symmetric', residualNet(), 'symmetric'],
    ['attention', attentionNet(), 'symmetric'],
  ] as const) {
    const inputs = seededInputs(model, 8).map(rarelyLarge)
    const { before, after, ranges, again } = await tuned(model, inputs, mode)
    t.same([...ranges], [...(await again())], `${name}: twice`)
    for (const [value, { low, high }] of ranges) {
      const { range: seen, estimator } = before.parameters.get(value)!
      t.ok(estimator === 'fixed' || (low >= seen.low && high <= seen.high + 1e-9), `${name}, ${value}: within what was seen`)
    }
    if (name === 'attention') continue // its normalization weighs every token alike: what is measured at the products says little of its output
    const [noiseBefore, noiseAfter] = [await outputNoise(model, before.bytes, inputs), await outputNoise(model, after.bytes, inputs)]
    const nothingToGain = name === 'depthwise'
    t.ok(nothingToGain ? noiseAfter <= noiseBefore : noiseAfter < noiseBefore, `${name}: noise ${noiseBefore} before, ${noiseAfter} after`)
  }
})

test('the steps of Softmax follow what it gives, not what it may give', async t => {
  const model = buildModel({
    inputs: { x: ['float32', ['n', 40, 8]] },
    outputs: { y: ['float32', ['n', 40, 8]] },
    constants: { w: f32([8, 8], floats([8, 8], 3).data as Float32Array), small: f32([], [0.05]) },
    nodes: [
      op('MatMul', ['x', 'w'], 'v'),
      op('Transpose', ['v'], 't', { perm: { kind: 'ints', value: [0, 2, 1] } }),
      op('Mul', ['x', 'small'], 'q'),
      op('MatMul', ['q', 't'], 's'),
      op('Softmax', ['s'], 'p'),
      op('MatMul', ['p', 'v'], 'y'),
    ],
  })
  const { ranges, before } = await tuned(model, seededInputs(model, 4))
  t.equal(before.parameters.get('p')!.estimator, 'fixed')
  t.ok(ranges.get('p')!.high < 0.6, `${ranges.get('p')!.high}: attention spread over 40 places is far from 1`)
})
