import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'

test('its version is that of the installed package, read without loading the native library', async t => {
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> }
  t.equal(onnxruntimeEngine.version(), dependencies['onnxruntime-node'])
})

test('a file that is no model is refused with the text of ONNX Runtime', async t => {
  await t.rejects(onnxruntimeEngine.open(new Uint8Array(10), { threads: 1 }), { code: 'ERR_ENGINE_OPEN', message: /protobuf/ })
  await t.rejects(onnxruntimeEngine.open('/nowhere/model.onnx', { threads: 1 }), { code: 'ERR_ENGINE_OPEN', message: /doesn't exist/ })
})
