import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import type { Device } from '../../../src/hardware/device.js'
import { openvinoEnv, probeOpenvino } from '../../../src/hardware/openvino/probe.js'
import { packageRoot } from '../../../src/paths.js'
import type { Report } from '../../../src/quantization/report/report.js'
import { demoBundle } from '../../fixtures/gateway/site.js'

/** Folders of the C libraries of other releases than the one that all other tests run on; `.ci/run` fetches them. */
const folders = (process.env.OPENVINO_RELEASES ?? '').split(':').filter(folder => folder !== '')
const withoutReleases = folders.length === 0 ? { skip: 'OPENVINO_RELEASES names no other release of OpenVINO (.ci/run does)' } : {}

const main = fileURLToPath(new URL('../../../src/main.js', import.meta.url))
const answering = fileURLToPath(new URL('../../fixtures/engines/answer-on-openvino.js', import.meta.url))
const model = join(demoBundle, 'fashion-resnet.onnx')
const shape = [1, 1, 28, 28]

interface Answer {
  readonly answer?: readonly number[]
  readonly kernels?: readonly string[]
  readonly code?: string
  readonly message?: string
}

function environmentOf(device: Device | undefined): NodeJS.ProcessEnv {
  return { ...process.env, ...(device === undefined ? {} : openvinoEnv(device)) }
}

test('every release answers what ONNX Runtime answers, in the types that it lists', withoutReleases, async t => {
  const reference = await onnxruntimeEngine.open(model, { threads: 1 })
  t.teardown(() => reference.close())
  const data = Float32Array.from({ length: 784 }, (_, index) => ((index * 37) % 256) / 255)
  const { logits } = await reference.infer({ input: { dtype: 'float32', shape, data } })
  const wanted = Array.from(logits!.data as Float32Array)
  const power = wanted.reduce((sum, value) => sum + value * value, 0)
  const decibels = (found: readonly number[]) =>
    10 * Math.log10(power / found.reduce((sum, value, index) => sum + (value - wanted[index]!) ** 2, 1e-12))
  for (const folder of folders) {
    const { devices, library, reason } = await probeOpenvino({ env: { OPENVINO_DIR: folder } })
    t.equal(reason, '', folder)
    const processor = devices.find(({ id }) => id === 'openvino-cpu')
    const types = Object.entries({ FP32: 'float32', BF16: 'bfloat16', FP16: 'float16' }).filter(([name]) =>
      processor?.features.includes(name),
    )
    const models = types.flatMap(([, precision]) => [model, precision])
    const lines = execFileSync(process.execPath, [answering, shape.join(), ...models], { env: environmentOf(processor), encoding: 'utf8' })
    const answers = lines
      .trim()
      .split('\n')
      .map(line => JSON.parse(line) as Answer)
    for (const [index, [, precision]] of types.entries()) {
      const { answer, message } = answers[index]!
      const db = answer === undefined ? Number.NaN : decibels(answer)
      t.ok(db > (precision === 'float32' ? 90 : 25), `${library?.build}, ${precision}: ${message ?? `${db.toFixed(1)} dB`}`)
    }
  }
})

test('what is quantized on an older release runs on its integer kernels', withoutReleases, async t => {
  for (const folder of folders) {
    const { devices, library } = await probeOpenvino({ env: { OPENVINO_DIR: folder } })
    const env = environmentOf(devices.find(({ id }) => id === 'openvino-cpu'))
    const out = join(t.testdir(), 'out')
    const samples = join(packageRoot, 'src/demo/data/site.npz')
    const options = ['--samples', samples, '--out', out, '--count', '64', '--device', 'openvino-cpu', '--max-drop', '1']
    const run = spawnSync(process.execPath, [main, 'quantize', demoBundle, ...options], { env, encoding: 'utf8' })
    t.ok(run.status === 0 || run.status === 4, `${library?.build}: ends with ${run.status}: ${run.stderr.slice(-500)}`)
    const report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8')) as Report
    t.ok(report.coverage > 0.9, `${report.coverage} of the multiply-adds`)
    t.notOk(
      report.notes.some(note => note.includes('emulation')),
      'judged on the release itself',
    )
    const ir = join(out, 'model.xml')
    const said = execFileSync(process.execPath, [answering, shape.join(), ir, 'float32'], { env, encoding: 'utf8' })
    const { kernels = [], message } = JSON.parse(said) as Answer
    t.ok(kernels.length >= 10, message ?? `${kernels.length} products`)
    t.same(
      kernels.filter(kernel => !/_[iu]8$/i.test(kernel)),
      [],
      'all of them integer',
    )
  }
})

test('what an older release cannot do is an error with what it says of it', withoutReleases, async t => {
  for (const folder of folders) {
    const env = { ...process.env, OPENVINO_DIR: folder }
    const said = execFileSync(process.execPath, [answering, shape.join(), join(packageRoot, 'package.json'), 'float32'], {
      env,
      encoding: 'utf8',
    })
    const found = JSON.parse(said) as Answer
    t.equal(found.code, 'ERR_ENGINE_OPEN')
    t.match(found.message, /ov_core_read_model: \S+/)
  }
})
