import { test } from 'tap'
import { decodeInputs } from '../../src/samples/decode-request.js'
import { encodeRequest } from '../../src/samples/encode-request.js'
import { Manifest } from '../../src/samples/manifest.js'
import { formatEnveloped, isOip2, parseJsonEnvelope, parseOip2 } from '../../src/samples/oip2.js'

const inputs = { x: { dtype: 'float32', shape: [1, 2], data: Float32Array.of(1, 2) } } as const
const context = { inputs: [{ name: 'x', dtype: 'float32', shape: [1, 2] }], manifest: Manifest.parse({}) } as const
const envelope = { response_topic: 'quantd-reply/app/1', correlation: 'c-1', id: 'r1', timeout_ms: 250 }

test('a request of MQTT 3.1.1 carries its reply topic and its tensors through the prefix', async t => {
  const bytes = formatEnveloped({ envelope, request: encodeRequest(inputs, { form: 'oip' }) })
  t.ok(isOip2(bytes))
  t.equal(Buffer.from(bytes.subarray(0, 4)).toString(), 'OIP2')
  const parsed = parseOip2(bytes)
  t.strictSame(parsed.envelope, envelope)
  t.strictSame(await decodeInputs(parsed.request, context), inputs)
})

test('a JSON request carries the same beside its inputs', async t => {
  const parsed = parseJsonEnvelope(formatEnveloped({ envelope, request: encodeRequest(inputs, { form: 'json' }) }))
  t.strictSame(parsed.envelope, envelope)
  t.strictSame(await decodeInputs(parsed.request, context), inputs)
})

test('a prefix that lies about its header is refused', async t => {
  const bytes = formatEnveloped({ envelope, request: encodeRequest(inputs, { form: 'oip' }) })
  t.throws(() => parseOip2(bytes.subarray(0, 20)), { code: 'ERR_REQUEST_HEADER' })
  t.throws(() => parseOip2(Buffer.from('OIP1xxxxxxxx')), { code: 'ERR_REQUEST_HEADER' })
  t.throws(() => parseOip2(Buffer.from('OIP2\x02\0\0\0[,')), { code: 'ERR_REQUEST_JSON' })
  t.throws(() => parseJsonEnvelope(Buffer.from('{"timeout_ms":"soon"}')), { code: 'ERR_REQUEST_JSON', message: /timeout_ms/ })
  t.throws(() => formatEnveloped({ envelope, request: encodeRequest(inputs, { form: 'raw' }) }), { code: 'ERR_REQUEST_MEDIA' })
})
