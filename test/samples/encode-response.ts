import fc from 'fast-check'
import { test } from 'tap'
import type { Tensor } from '../../src/graph/tensor/tensor.js'
import { decodeResponse } from '../../src/samples/decode-response.js'
import { encodeResponse } from '../../src/samples/encode-response.js'
import { formatJsonValues } from '../../src/samples/json-values.js'
import { contentTypes } from '../../src/samples/request.js'

const outputs: Record<string, Tensor> = {
  'logits:0': { dtype: 'float32', shape: [1, 3], data: Float32Array.of(0.1, -2.5, 1e-20) },
  ids: { dtype: 'int64', shape: [2], data: BigInt64Array.of(-5n, 7n) },
}

test('an answer is JSON, or a header with the binary outputs behind it', async t => {
  const fields = { modelName: 'm', modelVersion: '3', id: 'r"1', outputs }
  const json = encodeResponse({
    ...fields,
    wanted: [
      { name: 'logits:0', form: 'json' },
      { name: 'ids', form: 'json' },
    ],
  })
  t.equal(json.contentType, contentTypes.json)
  t.equal(json.jsonLength, undefined)
  t.equal(
    Buffer.from(json.body).toString(),
    '{"model_name":"m","model_version":"3","id":"r\\"1","outputs":[{"name":"logits:0","datatype":"FP32","shape":[1,3],"data":[0.1,-2.5,1e-20]},{"name":"ids","datatype":"INT64","shape":[2],"data":[-5,7]}]}',
  )
  for (const forms of [
    ['binary', 'json'],
    ['json', 'binary'],
    ['binary', 'binary'],
  ] as const) {
    const mixed = encodeResponse({
      ...fields,
      wanted: [
        { name: 'logits:0', form: forms[0] },
        { name: 'ids', form: forms[1] },
      ],
    })
    t.equal(mixed.contentType, contentTypes.oip)
    t.equal((mixed.jsonLength ?? 1) % 8, 0)
    t.strictSame(decodeResponse(mixed), { modelName: 'm', modelVersion: '3', id: 'r"1', outputs })
  }
  const one = encodeResponse({ modelName: 'm', modelVersion: '3', outputs, wanted: [{ name: 'ids', form: 'binary' }] })
  t.strictSame(decodeResponse(one), { modelName: 'm', modelVersion: '3', id: undefined, outputs: { ids: outputs.ids } })
})

test('decimals in JSON give the same float32 again, and are the shortest of at most nine digits', async t => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), value => {
      const [read] = JSON.parse(formatJsonValues('float32', Float32Array.of(value))) as [number]
      t.ok(Object.is(Math.fround(read), value), `${value}`)
    }),
    { numRuns: 500, seed: 5 },
  )
  const short = [0.1, 0.3, 123456.7, 16777216, -0.001, 3.4028235e38]
  t.equal(formatJsonValues('float32', Float32Array.from(short)), `[${short.join()}]`)
  t.equal(formatJsonValues('float16', Uint16Array.of(0x2e66, 0x3c00)), '[0.1,1]')
  t.equal(formatJsonValues('float64', Float64Array.of(0.1 + 0.2)), '[0.30000000000000004]')
  t.equal(formatJsonValues('bool', Uint8Array.of(1, 0)), '[true,false]')
})

test('NaN and the infinities are null in JSON and exact in binary', async t => {
  const values: Record<string, Tensor> = {
    y: { dtype: 'float32', shape: [3], data: Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, 1) },
  }
  const json = encodeResponse({ modelName: 'm', modelVersion: '1', outputs: values, wanted: [{ name: 'y', form: 'json' }] })
  t.match(Buffer.from(json.body).toString(), /"data":\[null,null,1\]/)
  t.strictSame(decodeResponse(json).outputs.y?.data, Float32Array.of(Number.NaN, Number.NaN, 1))
  const binary = encodeResponse({ modelName: 'm', modelVersion: '1', outputs: values, wanted: [{ name: 'y', form: 'binary' }] })
  t.strictSame(decodeResponse(binary).outputs, values)
})

test('an answer that is none is refused', async t => {
  for (const text of [
    '',
    '{',
    '[]',
    '{"model_name":"m"}',
    '{"model_name":"m","outputs":[{"name":"y","shape":[2],"datatype":"FP32","data":[1]}]}',
  ]) {
    t.throws(() => decodeResponse({ contentType: contentTypes.json, body: Buffer.from(text) }), { code: 'ERR_RESPONSE_FORMAT' }, text)
  }
})
