import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { inspectModel } from '../../../src/gateway/models/inspect-model.js'
import { demoBundle } from '../../fixtures/gateway/site.js'

test('a model is described without being opened', async t => {
  t.match(await inspectModel(join(demoBundle, 'fashion-resnet.onnx'), { memoryMiB: 500 }), {
    opset: 17,
    inputs: ['input'],
    outputs: ['logits'],
  })
})

test('a file that is no model gives the code that says what is wrong, and so does one that is gone', async t => {
  const folder = t.testdir()
  const path = join(folder, 'm.onnx')
  writeFileSync(path, Buffer.from([0x08, 0x08, 0x3a, 0xff, 0xff, 0xff, 0x7f]))
  await t.rejects(inspectModel(path, { memoryMiB: 500 }), { code: 'ERR_ONNX_WIRE' })
  await t.rejects(inspectModel(join(folder, 'gone.onnx'), { memoryMiB: 500 }), { code: 'ERR_ONNX_FILE' })
})

test('a model that needs more memory than it may ends its own process, not this one', async t => {
  const path = join(t.testdir(), 'm.onnx')
  writeFileSync(path, '')
  truncateSync(path, 300 * 2 ** 20)
  await t.rejects(inspectModel(path, { memoryMiB: 120 }), { code: /^ERR_(WORKER_MEMORY|ONNX_WIRE)$/ })
})
