import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import type { Model } from '../../../src/graph/graph.js'
import { isOp } from '../../../src/graph/node.js'
import { readModel } from '../../../src/graph/onnx/read.js'
import { constantData } from '../../../src/graph/tensor/tensor.js'
import { loadDeviceSpecs } from '../../../src/hardware/match.js'
import { packageRoot } from '../../../src/paths.js'
import { quantize } from '../../../src/quantization/pipeline.js'
import { QuantizeSettings } from '../../../src/quantization/settings.js'
import { memorySamples } from '../../fixtures/quantization/memory-samples.js'
import { seededInputs } from '../../fixtures/quantization/small-models.js'
import { learnt, trainedNet } from '../../fixtures/quantization/trained-net.js'

async function quantized(model: Model, settings: Partial<QuantizeSettings> = {}, spec = 'cpu-x64-vnni') {
  const specs = await loadDeviceSpecs()
  return quantize({
    model,
    sha256: '0'.repeat(64),
    name: 'trained',
    bytes: 1000,
    samples: memorySamples(seededInputs(model, 12)),
    heldOut: memorySamples(seededInputs(model, 12, 500)),
    spec: specs.find(({ name }) => name === spec)!,
    settings: QuantizeSettings.parse(settings),
    engine: onnxruntimeEngine,
  })
}

/** Scale and zero point of the QuantizeLinear nodes, each once: codes that are only moved keep theirs. */
function quantizersOf(bytes: Uint8Array): string[] {
  const { graph } = readModel(bytes)
  const number = (name: string) => Number(constantData(graph.constant(name)!)[0])
  const quantizers = graph.nodes.filter(node => isOp(node, 'QuantizeLinear'))
  return [...new Set(quantizers.map(({ inputs }) => `${number(inputs[1]!)} ${number(inputs[2]!)}`))].sort()
}

const line = ({ scale, zeroPoint }: { scale: number; zeroPoint: number }) => `${scale} ${zeroPoint}`

test('the int8 model quantizes activations with the learnt scales, to the last bit, and nothing is calibrated', async t => {
  for (const form of ['qdq', 'fake-quantize', 'qdq-int8', 'stored-codes'] as const) {
    const { bytes, report } = await quantized(trainedNet(form), { scheme: 'asymmetric' })
    t.same(quantizersOf(bytes), Object.values(learnt).map(line).sort(), form)
    t.same(new Set(report.quantizers.filter(({ of }) => of === 'activation').map(({ estimator }) => estimator)), new Set(['given']), form)
    t.same(
      report.layers.filter(({ state }) => state === 'float'),
      [],
    )
    t.ok(report.judgement!.snr_db! > 30, `${form}: ${report.judgement!.snr_db} dB against the model as it was trained`)
  }
})

test('quantizers that are missing are calibrated and added, the given ones stay', async t => {
  const model = trainedNet('qdq')
  const { graph } = model
  // Without the one on what enters Add: the model as OpenVINO's placement leaves it.
  graph.redirect('b2/quantized', 'b2')
  const gone = ['b2/codes', 'b2/quantized']
  graph.removeNodes(graph.nodes.filter(({ name }) => gone.includes(name)))
  const { bytes, report } = await quantized(model)
  const entry = report.quantizers.find(({ tensor }) => tensor === 'b2')!
  t.not(entry.estimator, 'given')
  const { b2, ...others } = learnt
  const found = quantizersOf(bytes)
  t.equal(found.length, 5)
  for (const affine of Object.values(others)) t.ok(found.includes(line(affine)))
})

test('a layer that is kept float leaves the quantizers around it as they were learnt', async t => {
  const { bytes, report } = await quantized(trainedNet('fake-quantize'), { keep_float: ['c2'] })
  t.match(
    report.layers.find(({ node }) => node === 'c2'),
    { state: 'float' },
  )
  const learned = new Set(Object.values(learnt).map(line))
  for (const found of quantizersOf(bytes)) t.ok(learned.has(found), found)
})

test('what would move trained weights stays off', async t => {
  const { report } = await quantized(trainedNet('qdq'), { equalization: 'on', smooth_quant: 'on', channel_alignment: 'on' })
  for (const { name, state } of report.algorithms ?? [])
    if (['equalization', 'smooth_quant', 'channel_alignment'].includes(name)) t.equal(state, 'off', name)
  t.ok((report.algorithms ?? []).length > 0)
})

const shared = join(packageRoot, '../shared/models')
const trained = (form: 'fq' | 'qdq') => readModel(readFileSync(join(shared, `fashion-qat-${form}.onnx`)))

test('fashion-qat: FakeQuantize and Q/DQ give the same int8 model, byte for byte, and the same judgement', async t => {
  const [fq, qdq] = [await quantized(trained('fq')), await quantized(trained('qdq'))]
  const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
  t.equal(hash(fq.bytes), hash(qdq.bytes))
  const measured = { stages: [], algorithms: [], peak_mib: 0 }
  t.same({ ...fq.report, ...measured }, { ...qdq.report, ...measured })
  t.equal(fq.report.coverage, 1)
  t.same(fq.report.notes, [])
})

test('fashion-qat: the scales of all 14 activation quantizers are those of the file, to the last bit', async t => {
  const model = trained('qdq')
  const { graph } = model
  const constants = new Map(
    graph.nodes.flatMap(node => {
      const value = node.attributes.get('value')
      return isOp(node, 'Constant') && value?.kind === 'tensor' ? [[node.outputs[0]!, constantData(value.value)] as const] : []
    }),
  )
  const inFile = graph.nodes
    .filter(node => isOp(node, 'QuantizeLinear') && !graph.initializers.has(node.inputs[0]!))
    .map(({ inputs }) => `${Number(constants.get(inputs[1]!)![0])} ${Number(constants.get(inputs[2]!)![0])}`)
    .sort()
  t.equal(inFile.length, 14)
  t.same(quantizersOf((await quantized(model)).bytes), inFile)
})
