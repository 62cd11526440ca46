import { test } from 'tap'
import { fuzzOnnx } from '../../fixtures/fuzz-onnx.js'

test('mutated files end in a coded error or in a model that reads back', async t => {
  const { read, prepared, codes } = await fuzzOnnx({ seed: 20_260_101, count: 800 })
  t.ok(read > 100 && prepared > 80, `${read} read, ${prepared} prepared`)
  t.ok(Object.keys(codes).length >= 5, JSON.stringify(codes))
})
