import { test } from 'tap'
import { dtypeFromOnnx, dtypes } from '../../../src/graph/tensor/dtype.js'
import { constant, constantData, elementCount, scalar } from '../../../src/graph/tensor/tensor.js'

test('values of unaligned bytes are copied, of aligned ones shared', async t => {
  const memory = new Uint8Array(16)
  new DataView(memory.buffer).setFloat32(1, 1.5, true)
  const apart = constantData({ dtype: 'float32', shape: [1], bytes: memory.subarray(1, 5) })
  t.same([...apart], [1.5])
  t.not(apart.buffer, memory.buffer)
  const shared = constantData({ dtype: 'float32', shape: [2], bytes: memory.subarray(4, 12) })
  t.equal(shared.buffer, memory.buffer)
})

test('a constant holds as many values as its shape says', async t => {
  t.throws(() => constant('float32', [3], new Float32Array(2)), { code: 'ERR_INTERNAL' })
  t.same(scalar('int64', BigInt64Array.of(7n)).shape, [])
  t.equal(elementCount([]), 1)
  t.equal(elementCount([2, 0, 3]), 0)
})

test('types without values in JavaScript give none', async t => {
  for (const dtype of ['string', 'int4', 'complex64'] as const) {
    t.throws(() => constantData({ dtype, shape: [0], bytes: new Uint8Array() }), { code: 'ERR_INTERNAL' }, dtype)
  }
})

test('every type is found by its number, and no other', async t => {
  for (const [name, { onnx }] of Object.entries(dtypes)) t.equal(dtypeFromOnnx(onnx), name)
  for (const onnx of [0, 27, 99, -1]) t.equal(dtypeFromOnnx(onnx), undefined)
})
