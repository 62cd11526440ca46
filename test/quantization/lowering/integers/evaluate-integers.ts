import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { onnxruntimeEngine } from '../../../../src/engines/onnxruntime/engine.js'
import { writeModel } from '../../../../src/graph/onnx/write.js'
import type { Tensor } from '../../../../src/graph/tensor/tensor.js'
import { evaluateIntegers } from '../../../../src/quantization/lowering/integers/evaluate-integers.js'
import { preparedModel, sharedModels } from '../../../fixtures/quantization/golden-placements.js'
import { quantizedFor } from '../../../fixtures/quantization/quantized-for.js'
import { depthwiseNet, residualNet, seededInputs } from '../../../fixtures/quantization/small-models.js'

/** Pictures of shared/models/fashion-test.bin, as the models take them. */
function pictures(count: number): Readonly<Record<string, Tensor>>[] {
  const bytes = readFileSync(join(sharedModels, 'fashion-test.bin'))
  return Array.from({ length: count }, (_, index) => ({
    input: {
      dtype: 'float32',
      shape: [1, 1, 28, 28],
      data: Float32Array.from(bytes.subarray(784 * index, 784 * (index + 1)), pixel => (pixel / 255 - 0.286) / 0.353),
    },
  }))
}

test('on real pictures the emulation on ONNX Runtime equals integer arithmetic bit for bit', async t => {
  const { model } = await preparedModel('fashion-resnet')
  const inputs = pictures(12)
  const { lowered } = await quantizedFor('fpga', model, inputs)
  const session = await onnxruntimeEngine.open(writeModel(lowered.evaluated()), { threads: 1, optimization: 'all' })
  for (const [index, feed] of inputs.slice(0, 4).entries()) {
    const emulated = await session.infer(feed)
    const exact = evaluateIntegers(lowered.result, feed)
    for (const [name, { shape, data }] of Object.entries(exact)) {
      t.same(emulated[name]!.shape, shape)
      t.same([...(emulated[name]!.data as Float32Array)], [...(data as Float32Array)], `picture ${index}`)
    }
  }
  await session.close()
})

test('a residual net of seeded weights is exact too, and near to float', async t => {
  const model = residualNet()
  const inputs = seededInputs(model, 6)
  const { lowered } = await quantizedFor('fpga', model, inputs)
  const emulation = await onnxruntimeEngine.open(writeModel(lowered.evaluated()), { threads: 1, optimization: 'all' })
  const float = await onnxruntimeEngine.open(writeModel(model), { threads: 1, optimization: 'all' })
  for (const feed of inputs) {
    const exact = evaluateIntegers(lowered.result, feed).y!.data as Float32Array
    t.same([...((await emulation.infer(feed)).y!.data as Float32Array)], [...exact])
    const wanted = (await float.infer(feed)).y!.data as Float32Array
    const largest = Math.max(...wanted.map(Math.abs))
    t.ok(exact.every((value, index) => Math.abs(value - wanted[index]!) < 0.1 * largest))
  }
  await Promise.all([emulation.close(), float.close()])
})

test('an operator without integer reference is refused by name', async t => {
  const model = depthwiseNet()
  const { lowered } = await quantizedFor('fpga', model, seededInputs(model, 2))
  t.throws(() => evaluateIntegers(lowered.result, seededInputs(model, 1)[0]!), {
    code: 'ERR_QUANT_INTEGER_OP',
    details: { opType: 'HardSwish' },
  })
})
