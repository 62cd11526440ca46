import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import { demoBundle } from '../../fixtures/gateway/site.js'
import { withoutOpenvino } from '../../fixtures/openvino.js'

const starving = fileURLToPath(new URL('../../fixtures/engines/starve-openvino.js', import.meta.url))
const model = join(demoBundle, 'fashion-resnet.onnx')

test('without memory there is an error or no process, and never the answer to something else', withoutOpenvino, async t => {
  const reference = await onnxruntimeEngine.open(model, { threads: 1 })
  t.teardown(() => reference.close())
  const wanted = async (batch: number) => {
    const data = new Float32Array(784).fill(1 / (batch + 1))
    const { logits } = await reference.infer({ input: { dtype: 'float32', shape: [1, 1, 28, 28], data } })
    return Array.from(logits!.data as Float32Array)
  }
  let errors = 0
  for (const [kib, ...batches] of [
    [500, 1, 2],
    [2_000, 1, 2],
    [2_000, 3, 1],
    [8_000, 1, 512, 2, 3],
    [20_000, 1, 1024, 1, 2],
    [4_000_000, 1, 512, 2],
  ] as const) {
    const { stdout, signal, status } = spawnSync(process.execPath, [starving, model, ...[kib, ...batches].map(String)], {
      encoding: 'utf8',
    })
    const lines = stdout.split('\n').filter(line => line.startsWith('{'))
    if (lines.length < batches.length) t.ok(signal !== null || status !== 0, `${kib} KiB: the process ends with ${signal ?? status}`)
    for (const [index, line] of lines.entries()) {
      const { rows, first, code } = JSON.parse(line) as { rows?: number; first?: number[]; code?: string }
      const batch = batches[index]!
      if (first === undefined) {
        errors += 1
        t.match(code, /^ERR_ENGINE_(BROKEN|INFER)$/, `${kib} KiB, batch of ${batch}`)
        continue
      }
      const right = await wanted(batch)
      t.equal(rows, batch, `${kib} KiB, batch of ${batch}`)
      t.ok(
        right.every((value, at) => Math.abs(value - first[at]!) < 1e-3),
        `${kib} KiB, batch of ${batch}: ${first.slice(0, 3).join()}`,
      )
    }
  }
  t.ok(errors > 0, `${errors} errors`)
})
