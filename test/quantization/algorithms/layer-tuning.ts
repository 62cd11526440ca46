import { test } from 'tap'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'
import { tuneLayers } from '../../../src/quantization/algorithms/layer-tuning.js'
import { buildModel, f32, floats, op } from '../../fixtures/graph-builder.js'
import { quantized } from '../../fixtures/quantization/quantized.js'
import { attentionNet, depthwiseNet, residualNet, seededInputs } from '../../fixtures/quantization/small-models.js'
import { outputNoise, walkOf } from '../../fixtures/quantization/walk.js'

/** Inputs whose channels go together, as those of pictures do. */
const related = ({ x }: Readonly<Record<string, Tensor>>) => ({
  x: { ...x!, data: (x!.data as Float32Array).map((value, at, all) => 1 + all[Math.floor(at / 7) * 7]! + 0.2 * value) },
})

test('the output is closer to float, codes stay in their range, and the same call gives the same codes', async t => {
  for (const [name, model] of [
    ['residual', residualNet()],
    ['depthwise', depthwiseNet()],
    ['attention', attentionNet()],
  ] as const) {
    for (const weightRange of ['full', 'half'] as const) {
      const inputs = seededInputs(model, 12).map(related)
      const before = await quantized(model, inputs, { weightRange })
      const options = { ...(await walkOf(model, before, inputs)), weights: before.weights, weightRange }
      const tuned = await tuneLayers(options)
      t.same([...(await tuneLayers(options)).weights.values()], [...tuned.weights.values()], `${name}, ${weightRange}: twice`)
      const limit = weightRange === 'half' ? 64 : 127
      for (const { codes } of tuned.weights.values())
        t.ok(
          codes.every(code => Math.abs(code) <= limit),
          `${name}: within +-${limit}`,
        )
      const after = await quantized(model, inputs, { weightRange, recipe: { tuned } })
      const [noiseBefore, noiseAfter] = [await outputNoise(model, before.bytes, inputs), await outputNoise(model, after.bytes, inputs)]
      // With the full range the activations' steps hide what their weights gain in the smallest nets.
      t.ok(
        noiseAfter < noiseBefore * (weightRange === 'half' ? 1 : 1.02),
        `${name}, ${weightRange}: noise ${noiseBefore} plain, ${noiseAfter} tuned`,
      )
    }
  }
})

test('two equal inputs are rounded against each other: one up, one down', async t => {
  const model = buildModel({
    inputs: { x: ['float32', ['n', 2]] },
    outputs: { y: ['float32', ['n', 1]] },
    constants: { w: f32([2, 1], [0.46, 1]), same: f32([1, 3], [1, 1, 0]), w2: f32([3, 1], [0.0047, 0.0047, 1]) },
    nodes: [op('MatMul', ['x', 'w'], 's'), op('MatMul', ['s', 'same'], 'both'), op('MatMul', ['both', 'w2'], 'y')],
  })
  const inputs = Array.from({ length: 24 }, (_, at) => ({ x: floats([1, 2], at + 1) }))
  const before = await quantized(model, inputs)
  const tuned = await tuneLayers({ ...(await walkOf(model, before, inputs)), weights: before.weights, weightRange: 'full' })
  const last = [...before.weights.keys()].at(-1)!
  const sumOf = ({ codes, scales }: { codes: Int8Array; scales: Float32Array }) => (codes[0]! + codes[1]!) * scales[0]!
  const [plain, found] = [sumOf(before.weights.get(last)!), sumOf(tuned.weights.get(last)!)]
  t.ok(Math.abs(plain - 0.0094) > 0.003, `plain rounding gives ${plain} of 0.0094`)
  t.ok(Math.abs(found - 0.0094) < 0.003, `tuned rounding ${found}`)
})

test('a layer with fewer positions than its second moments need keeps plain rounding', async t => {
  const model = buildModel({
    inputs: { x: ['float32', ['n', 16]] },
    outputs: { y: ['float32', ['n', 4]] },
    constants: { w: f32([16, 4], floats([16, 4], 3).data as Float32Array) },
    nodes: [op('MatMul', ['x', 'w'], 'y')],
  })
  const inputs = seededInputs(model, 5)
  const before = await quantized(model, inputs)
  const tuned = await tuneLayers({ ...(await walkOf(model, before, inputs)), weights: before.weights, weightRange: 'full' })
  t.same([...tuned.weights.values()], [...before.weights.values()])
  t.equal([...tuned.biases.values()][0]!.length, 4, 'its bias is corrected all the same')
})

test('weights that came quantized are left as they are', async t => {
  const model = residualNet()
  const inputs = seededInputs(model, 6)
  const before = await quantized(model, inputs)
  const options = { ...(await walkOf(model, before, inputs)), weights: before.weights, weightRange: 'full' } as const
  const tuned = await tuneLayers({ ...options, tunable: () => false })
  t.same([...tuned.weights.values()], [...before.weights.values()])
})
