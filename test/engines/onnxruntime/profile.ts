import { test } from 'tap'
import { profileModels } from '../../../src/engines/onnxruntime/profile.js'
import { writeModel } from '../../../src/graph/onnx/write.js'
import { residualNet, seededInputs } from '../../fixtures/quantization/small-models.js'

test('every operator of the graphs that ran has a time', async t => {
  const model = residualNet()
  const [inputs] = seededInputs(model, 1)
  const bytes = writeModel(model)
  const profiles = await profileModels([bytes, bytes], { inputs: { ...inputs!, unknown: inputs!.x! }, threads: 1, runs: 6 })
  t.equal(profiles.length, 2)
  for (const { operators, optimized } of profiles) {
    t.same(operators.map(({ name }) => name).sort(), optimized.nodes.map(({ name }) => name).sort())
    t.ok(operators.every(({ us }) => us > 0))
    t.ok(operators.some(({ opType }) => opType === 'Gemm'))
  }
})

test('a model that cannot be opened or run says so', async t => {
  await t.rejects(profileModels([Uint8Array.of(1, 2, 3)], { inputs: {}, threads: 1, runs: 1 }), { code: 'ERR_ENGINE_OPEN' })
  await t.rejects(profileModels([writeModel(residualNet())], { inputs: {}, threads: 1, runs: 1 }), { code: 'ERR_ENGINE_INFER' })
})
