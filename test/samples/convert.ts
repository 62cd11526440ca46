import { test } from 'tap'
import type { NumericDType, TensorData } from '../../src/graph/tensor/dtype.js'
import { convert } from '../../src/samples/convert.js'

const from = (values: TensorData, from: NumericDType, to: NumericDType) =>
  convert(values, { from, to, shape: [values.length], where: 'array' })

test('floats become floats, integers integers that hold them', async t => {
  t.strictSame(from(Float64Array.of(0.1, 1e300), 'float64', 'float32'), Float32Array.of(0.1, Number.POSITIVE_INFINITY))
  t.strictSame(from(Uint16Array.of(0x3c00), 'float16', 'float32'), Float32Array.of(1))
  t.strictSame(from(Float32Array.of(-2), 'float32', 'float16'), Uint16Array.of(0xc000))
  t.strictSame(from(Uint8Array.of(255), 'uint8', 'int64'), BigInt64Array.of(255n))
  t.strictSame(from(BigInt64Array.of(-5n), 'int64', 'int32'), Int32Array.of(-5))
  t.strictSame(from(Int32Array.of(1, 0), 'int32', 'bool'), Uint8Array.of(1, 0))
  const same = Float32Array.of(1)
  t.equal(from(same, 'float32', 'float32'), same, 'nothing to do, nothing copied')
})

test('what would lose or guess is refused', async t => {
  const cases: readonly [TensorData, NumericDType, NumericDType][] = [
    [Int32Array.of(1), 'int32', 'float32'],
    [Uint8Array.of(1), 'uint8', 'float32'],
    [Float32Array.of(1), 'float32', 'int32'],
    [Int32Array.of(-1), 'int32', 'uint8'],
    [BigInt64Array.of(2n ** 31n), 'int64', 'int32'],
    [BigInt64Array.of(-1n), 'int64', 'uint64'],
    [Uint8Array.of(2), 'uint8', 'bool'],
  ]
  for (const [values, dtype, to] of cases) t.throws(() => from(values, dtype, to), { code: 'ERR_SAMPLES_DTYPE' }, `${dtype} to ${to}`)
})
