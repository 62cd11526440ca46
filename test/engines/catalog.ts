import { test } from 'tap'
import { engineNamed, engines } from '../../src/engines/catalog.js'

test('engines are listed sorted, each under a name of its own', async t => {
  const names = engines.map(({ name }) => name)
  t.strictSame(names, [...new Set(names)].sort())
  for (const name of names) t.equal(engineNamed(name).name, name)
})

test('an unknown engine is refused with the known ones', async t => {
  t.throws(() => engineNamed('webgpu'), { code: 'ERR_ENGINE_UNKNOWN', message: /null, onnxruntime, openvino/ })
})
