import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { onnxruntimeEngine } from '../../src/engines/onnxruntime/engine.js'
import { openvinoEngine } from '../../src/engines/openvino/engine.js'
import { loadDeviceSpecs } from '../../src/hardware/match.js'
import type { QuantizeRequest } from '../../src/quantization/contract.js'
import { quantize } from '../../src/quantization/pipeline.js'
import { Report } from '../../src/quantization/report/report.js'
import { QuantizeSettings } from '../../src/quantization/settings.js'
import { inferAll, readSamples } from '../../src/quantization/statistics/stack-samples.js'
import { withoutOpenvino } from '../fixtures/openvino.js'
import { memorySamples } from '../fixtures/quantization/memory-samples.js'
import { residualNet, seededInputs } from '../fixtures/quantization/small-models.js'

const onCpu = { engine: openvinoEngine, options: { device: 'CPU' } } as const

async function quantized(more: Partial<QuantizeRequest> = {}) {
  const spec = (await loadDeviceSpecs()).find(({ name }) => name === 'openvino-cpu')!
  const model = residualNet()
  const request: QuantizeRequest = {
    model,
    sha256: 'f'.repeat(64),
    name: 'small',
    bytes: 1000,
    samples: memorySamples(seededInputs(model, 20)),
    heldOut: memorySamples(seededInputs(model, 100, 500)),
    spec,
    settings: QuantizeSettings.parse({}),
    engine: onnxruntimeEngine,
    ...more,
  }
  return { ...(await quantize(request)), request }
}

test('int8 for OpenVINO is measured on OpenVINO, and the report names the kernels that it ran', withoutOpenvino, async t => {
  const { report } = await quantized({ target: onCpu })
  Report.parse(report)
  t.match(report.evaluated_on, { name: 'openvino', version: openvinoEngine.version(), device: 'CPU', emulated: false })
  t.notOk(report.notes.some(note => note.includes('emulation')))
  t.match(report.integer_kernels, { Convolution: 2, ReduceMean: 1 })
  t.ok(report.judgement!.snr_db! > 25, `${report.judgement!.snr_db} dB`)
})

test('the IR that is given back answers what was judged', withoutOpenvino, async t => {
  const { ir, report, request } = await quantized({ target: onCpu })
  const folder = t.testdir()
  writeFileSync(join(folder, 'model.xml'), ir!.xml)
  writeFileSync(join(folder, 'model.bin'), ir!.bin)
  const int8 = await openvinoEngine.open(join(folder, 'model.xml'), { threads: 1 })
  const onnx = await openvinoEngine.open((await quantized({ target: onCpu })).bytes, { threads: 1 })
  t.teardown(() => Promise.all([int8.close(), onnx.close()]))
  const samples = await readSamples(request.heldOut, [0, 1, 2])
  const [fromIr, fromOnnx] = [await inferAll(int8, samples, 'y'), await inferAll(onnx, samples, 'y')]
  fromIr.forEach((tensor, index) => {
    const other = fromOnnx[index]!.data as Float32Array
    const step = Math.max(...other.map(Math.abs)) / 100
    t.ok((tensor.data as Float32Array).every((value, at) => Math.abs(value - other[at]!) <= step))
  })
  t.equal(report.result.ir!.bytes, Buffer.byteLength(ir!.xml) + ir!.bin.byteLength)
})

test('what OpenVINO runs in float is float in the report, and does not count as integer', withoutOpenvino, async t => {
  // Every kernel claims to be f32, as on a processor or device that has no integer ones.
  const floatOnly: typeof openvinoEngine = {
    ...openvinoEngine,
    open: async (artifact, options) => {
      const session = await openvinoEngine.open(artifact, options)
      return {
        inputs: session.inputs,
        outputs: session.outputs,
        infer: (feeds, wanted) => session.infer(feeds, wanted),
        close: () => session.close(),
        profile: () => session.profile!().map(node => ({ ...node, execType: node.execType.replace(/i8$/i, 'f32') })),
      }
    },
  }
  const { report } = await quantized({ target: { engine: floatOnly, options: {} } })
  t.equal(report.coverage, 0)
  const products = report.layers.filter(({ macs }) => macs > 0)
  t.ok(products.every(({ state, reason }) => state === 'float' && reason === 'OpenVINO runs it in f32'))
  t.equal(report.judgement!.verdict, 'refused')
})

test('without OpenVINO it is emulated, the report says so, and the IR is there all the same', async t => {
  const { report, ir } = await quantized()
  t.match(report.evaluated_on, { name: 'onnxruntime', emulated: true })
  t.match(ir!.xml, /<net [^>]*version="11"/)
  t.ok(ir!.bin.byteLength > 0)
})
