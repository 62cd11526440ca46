import { test } from 'tap'
import { loadDeviceSpecs } from '../../src/hardware/match.js'
import { targetOf } from '../../src/quantization/target.js'
import { quantizedFor } from '../fixtures/quantization/quantized-for.js'
import { residualNet, seededInputs } from '../fixtures/quantization/small-models.js'

test('every file of devices/ is a target whose model can be made and evaluated here', async t => {
  for (const { name } of await loadDeviceSpecs()) {
    const model = residualNet()
    const { lowered } = await quantizedFor(name, model, seededInputs(model, 2))
    t.notOk(
      lowered.evaluated.graph.nodes.some(({ opType }) => opType === 'FakeQuantize'),
      `${name}: no operator that ONNX lacks`,
    )
    t.same(
      lowered.result.graph.outputs.map(output => output.name),
      ['y'],
    )
  }
})

test('kernels are looked at on ONNX Runtime only for targets that it serves, steps are those of the spec', async t => {
  for (const spec of await loadDeviceSpecs()) {
    const { evaluation, scales } = targetOf({ spec, weightRange: spec.weightRange })
    t.equal(evaluation === 'native', spec.engine === 'onnxruntime', spec.name)
    t.equal(scales, spec.scales)
  }
})
