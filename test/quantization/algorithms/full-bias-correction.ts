import { test } from 'tap'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'
import { correctBiases } from '../../../src/quantization/algorithms/full-bias-correction.js'
import { buildModel, f32, floats, op } from '../../fixtures/graph-builder.js'
import { quantized } from '../../fixtures/quantization/quantized.js'
import { attentionNet, depthwiseNet, residualNet, seededInputs } from '../../fixtures/quantization/small-models.js'
import { outputNoise, walkOf } from '../../fixtures/quantization/walk.js'

/** One weight that rounds to nothing beside a large one, and no bias: what the lost weight adds to the mean is missing. */
const lossy = () =>
  buildModel({
    inputs: { x: ['float32', ['n', 2, 4, 4]] },
    outputs: { y: ['float32', ['n', 1, 4, 4]] },
    constants: { w1: f32([2, 2, 1, 1], [1, 0, 0, 1]), w2: f32([1, 2, 1, 1], [0.0035, 1]) },
    nodes: [op('Conv', ['x', 'w1'], 'a'), op('Relu', ['a'], 'r'), op('Conv', ['r', 'w2'], 'y')],
  })

/** Inputs whose first channel lies around 100, where 0.0035 of it is worth a third. */
const lopsided = (count: number) =>
  Array.from({ length: count }, (_, at) => {
    const { dtype, shape, data } = floats([1, 2, 4, 4], at + 1)
    return { x: { dtype, shape, data: (data as Float32Array).map((value, index) => (index < 16 ? 100 + value : value)) } }
  })

/** Inputs with a mean: without one there is nothing for rounding to shift. */
const raised = ({ x }: Readonly<Record<string, Tensor>>) => ({ x: { ...x!, data: (x!.data as Float32Array).map(value => value + 1) } })

test('a layer without bias gets back the mean that rounding its weights took', async t => {
  const inputs = lopsided(6)
  const candidate = await quantized(lossy(), inputs, { recipe: { biasCorrection: 'off' } })
  const biases = await correctBiases({ ...(await walkOf(lossy(), candidate, inputs)), weights: candidate.weights })
  const [, bias] = [...biases.values()]
  t.equal(bias!.length, 1)
  t.ok(Math.abs(bias![0]! - 100 * 0.0035) < 0.2, `${bias![0]}: about a third, as far as the step of the input tells`)
})

test('the output is closer to float with the biases than without, and the same call gives the same bytes', async t => {
  for (const [name, model] of [
    ['residual', residualNet()],
    ['depthwise', depthwiseNet()],
    ['attention', attentionNet()],
  ] as const) {
    const inputs = seededInputs(model, 7).map(raised)
    const options = { recipe: { biasCorrection: 'off' }, weightRange: 'half' } as const
    const before = await quantized(model, inputs, options)
    const walk = { ...(await walkOf(model, before, inputs)), weights: before.weights }
    const biases = await correctBiases(walk)
    t.same([...biases.values()], [...(await correctBiases(walk)).values()], `${name}: twice`)
    t.same(
      [...biases.keys()],
      [...before.placement.units.values()].filter(({ form }) => form === 'linear').map(({ main }) => main),
      name,
    )
    const after = await quantized(model, inputs, {
      ...options,
      recipe: { ...options.recipe, tuned: { name: 'full bias correction', weights: new Map(), biases } },
    })
    const [without, corrected] = [await outputNoise(model, before.bytes, inputs), await outputNoise(model, after.bytes, inputs)]
    t.ok(corrected < without, `${name}: ${without} without, ${corrected} with`)
  }
})
