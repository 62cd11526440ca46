import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { writeModel } from '../../src/graph/onnx/write.js'
import { Report } from '../../src/quantization/report/report.js'
import { formatNpz } from '../../src/samples/write-npz.js'
import { quantd } from '../fixtures/cli.js'
import { seededFloats } from '../fixtures/graph-builder.js'
import { residualNet } from '../fixtures/quantization/small-models.js'

function site(dir: string, count: number, scale = 1): { model: string; samples: string; out: string } {
  mkdirSync(dir, { recursive: true })
  const paths = { model: join(dir, 'small.onnx'), samples: join(dir, 'samples.npz'), out: join(dir, 'out') }
  writeFileSync(paths.model, writeModel(residualNet()))
  const data = seededFloats(count * 256, 7).map((value, at) => (at < 20 * 256 ? value * scale : value))
  writeFileSync(paths.samples, formatNpz({ x: { dtype: 'float32', shape: [count, 4, 8, 8], data } }))
  return paths
}

test('quantize writes model, report and text, and prints the report as JSON alone', async t => {
  const { model, samples, out } = site(t.testdir(), 130)
  const { code, out: printed } = await quantd(['quantize', model, '--samples', samples, '--out', out, '--count', '20', '--json'])
  const report = Report.parse(JSON.parse(printed))
  t.match(report, { samples: { calibration: 20, held_out: 110 }, coverage: 1, judgement: { items: 110, timing: { rounds: /\d+/ } } })
  t.equal(code, report.judgement!.verdict === 'refused' ? 4 : 0, 'a refusal ends with 4: int8 of so small a model need not be faster')
  for (const file of ['model.onnx', 'report.json', 'report.txt']) t.ok(existsSync(join(out, file)), file)
  t.same(JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')), report)
})

test('one layer is explained as the model is quantized, and later from its report', async t => {
  const { model, samples, out } = site(t.testdir(), 60)
  const args = ['quantize', model, '--samples', samples, '--out', out, '--count', '20']
  const name = (JSON.parse((await quantd([...args, '--json'])).out) as Report).layers.find(({ op }) => op === 'Conv')!.node
  const explained = await quantd([...args, '--explain', name])
  t.match(explained.out, new RegExp(`^Conv ${name}: computed in integers[\\s\\S]*weights `))
  t.equal((await quantd(['explain', out, name])).out, explained.out.replace(/\n\S*model\.onnx\n$/, ''))
  t.equal((await quantd(['explain', join(out, 'report.json')])).out, readFileSync(join(out, 'report.txt'), 'utf8'))
  t.equal((await quantd(['explain', out, 'no such layer'])).code, 2)
  t.equal((await quantd(['explain', join(out, 'model.onnx'), name])).code, 3)
})

test('several devices share one run over the samples, each with files of its own', async t => {
  const { model, samples, out } = site(t.testdir(), 130)
  const devices = ['cpu-x64-vnni', 'fpga']
  const { out: printed } = await quantd([
    'quantize',
    model,
    '--samples',
    samples,
    '--out',
    out,
    '--count',
    '20',
    '--device',
    devices.join(),
    '--json',
  ])
  const reports = (JSON.parse(printed) as unknown[]).map(report => Report.parse(report))
  t.same(
    reports.map(({ device }) => device),
    devices,
  )
  t.notOk(reports[1]!.stages.some(({ stage }) => stage === 'observe'))
  for (const device of devices) t.ok(existsSync(join(out, device, 'model.onnx')), device)
})

test('int8 that loses too much ends with 4, its files written and marked', async t => {
  const { model, samples, out } = site(t.testdir(), 130, 1 / 50)
  t.equal((await quantd(['quantize', model, '--samples', samples, '--out', out, '--count', '20'])).code, 4)
  t.match(JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')), {
    judgement: { verdict: 'refused', sentence: /loses too much accuracy/ },
  })
  t.match(readFileSync(join(out, 'report.txt'), 'utf8'), /^REFUSED /m)
  t.ok(existsSync(join(out, 'model.onnx')))
})

test('a wrong model or sample file ends with 3, a wrong command line with 2', async t => {
  const dir = t.testdir({ 'broken.onnx': 'not a model', 'broken.npz': 'no archive' })
  const { model, samples, out } = site(join(dir, 'site'), 20)
  const run = async (...args: string[]) => (await quantd(['quantize', ...args])).code
  t.equal(await run(join(dir, 'broken.onnx'), '--samples', samples, '--out', out), 3)
  t.equal(await run(model, '--samples', join(dir, 'broken.npz'), '--out', out), 3)
  t.equal(await run(join(dir, 'missing.onnx'), '--samples', samples, '--out', out), 3)
  t.equal(await run(model, '--samples', samples), 2, '--out is missing')
  t.equal(await run(model, '--samples', samples, '--out', out, '--metric', 'beauty'), 2)
  t.equal(await run(model, '--samples', samples, '--out', out, '--max-drop', '7'), 2)
  t.equal(await run(model, '--samples', samples, '--out', out, '--device', 'abacus'), 2)
})
