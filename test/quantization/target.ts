import { test } from 'tap'
import { onnxruntimeEngine } from '../../src/engines/onnxruntime/engine.js'
import { readModel } from '../../src/graph/onnx/read.js'
import { loadDeviceSpecs } from '../../src/hardware/match.js'
import { quantize } from '../../src/quantization/pipeline.js'
import { Report } from '../../src/quantization/report/report.js'
import { QuantizeSettings } from '../../src/quantization/settings.js'
import { targetOf } from '../../src/quantization/target.js'
import { memorySamples } from '../fixtures/quantization/memory-samples.js'
import { quantizedFor } from '../fixtures/quantization/quantized-for.js'
import { residualNet, seededInputs } from '../fixtures/quantization/small-models.js'

test('every file of devices/ is a target whose model can be made and evaluated here', async t => {
  for (const { name } of await loadDeviceSpecs()) {
    const model = residualNet()
    const { lowered } = await quantizedFor(name, model, seededInputs(model, 2))
    t.notOk(
      lowered.evaluated().graph.nodes.some(({ opType }) => opType === 'FakeQuantize'),
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

/** The whole pipeline on a residual net, for a target that this host is not. */
async function quantizedBy(name: string) {
  const spec = (await loadDeviceSpecs()).find(candidate => candidate.name === name)!
  const model = residualNet()
  const { bytes, report } = await quantize({
    model,
    sha256: 'f'.repeat(64),
    name: 'small',
    bytes: 1000,
    samples: memorySamples(seededInputs(model, 20)),
    heldOut: memorySamples(seededInputs(model, 100, 500)),
    spec,
    settings: QuantizeSettings.parse({}),
    engine: onnxruntimeEngine,
  })
  return { graph: readModel(bytes).graph, report: Report.parse(report) }
}

test('for OpenVINO the file has FakeQuantize, its accuracy is measured by emulation, and the report says so', async t => {
  const { graph, report } = await quantizedBy('openvino-cpu')
  t.equal(graph.nodes.filter(({ opType, domain }) => opType === 'FakeQuantize' && domain === 'org.openvinotoolkit').length, 7)
  t.equal(report.coverage, 1)
  t.ok(report.judgement!.snr_db! > 25, `${report.judgement!.snr_db} dB`)
  t.ok(report.notes.some(note => note.includes('emulation')))
  t.notOk(report.layers.find(({ node }) => node === 'c2')!.reason, 'and no kernel of ONNX Runtime was missed')
})

test('for an FPGA every step is a power of two, also after estimators and algorithms', async t => {
  const { report } = await quantizedBy('fpga')
  t.ok(report.quantizers.length > 5)
  for (const { tensor, scale, scheme } of report.quantizers) {
    t.ok(Number.isInteger(Math.log2(scale)), `${tensor}: ${scale}`)
    t.equal(scheme, 'symmetric')
  }
})

test('for a stick of float16 the file is half as wide, nothing is quantized, and what was observed is told', async t => {
  const { graph, report } = await quantizedBy('movidius-ma2480')
  t.notOk([...graph.initializers.values()].some(({ dtype }) => dtype === 'float32'))
  t.same(report.quantizers, [])
  t.same(
    report.observed!.map(({ tensor }) => tensor),
    ['x', 'c1', 'c2', 'y'],
  )
  t.ok(report.observed!.every(({ range }) => range.low < range.high))
  t.not(report.judgement!.verdict, 'refused', 'float16 is what was asked for')
})
