import fc from 'fast-check'
import sharp from 'sharp'
import { test } from 'tap'
import { QuantdError } from '../../src/errors.js'
import { dtypes, type NumericDType } from '../../src/graph/tensor/dtype.js'
import type { TensorSpec } from '../../src/graph/tensor/spec.js'
import { elementCount, type Tensor } from '../../src/graph/tensor/tensor.js'
import { decodeInputs, decodeRequest } from '../../src/samples/decode-request.js'
import { encodeRequest } from '../../src/samples/encode-request.js'
import { float16Value } from '../../src/samples/float16.js'
import { Manifest } from '../../src/samples/manifest.js'
import { contentTypes, type EncodedRequest } from '../../src/samples/request.js'
import type { RequestContext } from '../../src/samples/request-context.js'
import { seededRandom } from '../../src/samples/shuffle.js'

const spec = (name: string, dtype: NumericDType, shape: TensorSpec['shape']): TensorSpec => ({ name, dtype, shape })
const f32 = (shape: readonly number[], values: readonly number[]): Tensor => ({ dtype: 'float32', shape, data: Float32Array.from(values) })
const json = (value: unknown): EncodedRequest => ({ contentType: contentTypes.json, body: Buffer.from(JSON.stringify(value)) })

function context(
  inputs: readonly TensorSpec[],
  manifest: unknown = {},
  outputs: readonly TensorSpec[] = [spec('y', 'float32', ['n', 2])],
): RequestContext {
  return { inputs, outputs, manifest: Manifest.parse(manifest) }
}

/** A tensor of any served type, with values that JSON can carry. */
const anyTensor: fc.Arbitrary<Tensor> = fc
  .tuple(
    fc.constantFrom<NumericDType>(
      'float32',
      'float64',
      'float16',
      'int8',
      'uint8',
      'int16',
      'uint16',
      'int32',
      'uint32',
      'int64',
      'uint64',
      'bool',
    ),
    fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }),
    fc.uint8Array({ minLength: 4 ** 4 * 8, maxLength: 4 ** 4 * 8 }),
  )
  .map(([dtype, shape, noise]) => {
    const { array } = dtypes[dtype]
    const data = new array(noise.slice(0, elementCount(shape) * array.BYTES_PER_ELEMENT).buffer)
    for (const [i, value] of data.entries()) {
      if (dtype === 'bool') data[i] = Number(value) & 1
      else if (dtype === 'float16' && !Number.isFinite(float16Value(Number(value)))) data[i] = 0x3555
      else if (!Number.isFinite(Number(value))) data[i] = 0.1
    }
    return { dtype, shape, data }
  })

test('decoding undoes encoding, for every type and form', async t => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyTensor, { minLength: 1, maxLength: 3 }), fc.constantFrom('json', 'oip'), async (tensors, form) => {
      const inputs = Object.fromEntries(tensors.map((tensor, i) => [`in:${i}`, tensor]))
      const specs = Object.entries(inputs).map(([name, { dtype, shape }]) => spec(name, dtype, shape))
      const decoded = await decodeRequest(encodeRequest(inputs, { form, id: 'an "id"' }), context(specs))
      t.strictSame(decoded.inputs, inputs)
      t.equal(decoded.id, 'an "id"')
      t.strictSame(decoded.outputs, [{ name: 'y', form: form === 'oip' ? 'binary' : 'json' }])
    }),
    { numRuns: 150, seed: 11 },
  )
})

test('nested and flat data mean the same; a wrong nesting is refused at its axis', async t => {
  const ctx = context([spec('x', 'float32', ['n', 2, 2])])
  const request = (data: unknown) => json({ inputs: [{ name: 'x', shape: [1, 2, 2], datatype: 'FP32', data }] })
  const expected = { x: f32([1, 2, 2], [1, 2, 3, 4]) }
  t.strictSame((await decodeRequest(request([1, 2, 3, 4]), ctx)).inputs, expected)
  t.strictSame(
    (
      await decodeRequest(
        request([
          [
            [1, 2],
            [3, 4],
          ],
        ]),
        ctx,
      )
    ).inputs,
    expected,
  )
  await t.rejects(decodeRequest(request([[[1, 2, 3], [4]]]), ctx), { code: 'ERR_REQUEST_SHAPE', details: { axis: 2 } })
  await t.rejects(decodeRequest(request([1, 2, 3]), ctx), { code: 'ERR_REQUEST_SHAPE', details: { expected: 4, actual: 3 } })
})

test('what does not fit the model is refused with expected and actual', async t => {
  const ctx = context([spec('image', 'float32', ['n', 2]), spec('ids', 'int64', [1])])
  const ids = { name: 'ids', shape: [1], datatype: 'INT64', data: [1] }
  const image = { name: 'image', shape: [1, 2], datatype: 'FP32', data: [1, 2] }
  const cases: readonly [unknown, string, object][] = [
    [{ inputs: [image] }, 'ERR_REQUEST_INPUTS', { missing: 'ids' }],
    [{ inputs: [image, ids, ids] }, 'ERR_REQUEST_INPUTS', {}],
    [{ inputs: [{ ...image, name: 'imgae' }, ids] }, 'ERR_REQUEST_INPUTS', { actual: 'imgae' }],
    [{ inputs: [{ ...image, shape: [1, 3] }, ids] }, 'ERR_REQUEST_SHAPE', { expected: ['n', 2], actual: [1, 3] }],
    [{ inputs: [{ ...image, shape: [2] }, ids] }, 'ERR_REQUEST_SHAPE', { actual: [2] }],
    [{ inputs: [{ ...image, shape: [0, 2], data: [] }, ids] }, 'ERR_REQUEST_SHAPE', { actual: [0, 2] }],
    [{ inputs: [{ ...image, shape: [2 ** 52, 2] }, ids] }, 'ERR_REQUEST_SHAPE', {}],
    [{ inputs: [{ ...image, datatype: 'FP64' }, ids] }, 'ERR_REQUEST_DTYPE', { expected: 'float32', actual: 'float64' }],
    [{ inputs: [{ ...image, datatype: 'BYTES' }, ids] }, 'ERR_REQUEST_DTYPE', { actual: 'BYTES' }],
    [{ inputs: [{ ...image, data: [1, 'x'] }, ids] }, 'ERR_REQUEST_DTYPE', { element: 1 }],
    [{ inputs: [{ ...image, data: [1, 1e39] }, ids] }, 'ERR_REQUEST_DTYPE', { element: 1 }],
    [{ inputs: [image, { ...ids, data: [1.5] }] }, 'ERR_REQUEST_DTYPE', { element: 0 }],
    [{ inputs: [image, { ...ids, data: [2 ** 60] }] }, 'ERR_REQUEST_DTYPE', { element: 0 }],
    [{ inputs: [image, { ...ids, data: ['9223372036854775808'] }] }, 'ERR_REQUEST_DTYPE', { element: 0 }],
    [{ inputs: [{ name: 'image', shape: [1, 2], datatype: 'FP32' }, ids] }, 'ERR_REQUEST_JSON', {}],
    [{ inputs: [image, ids], outputs: [{ name: 'z' }] }, 'ERR_REQUEST_OUTPUTS', { expected: ['y'] }],
    [{ inputs: [image, ids], outputs: [{ name: 'y', parameters: { classification: 3 } }] }, 'ERR_REQUEST_OUTPUTS', {}],
    [{ inputs: 'x' }, 'ERR_REQUEST_JSON', {}],
    [[], 'ERR_REQUEST_JSON', {}],
  ]
  for (const [body, code, details] of cases)
    await t.rejects(decodeRequest(json(body), ctx), { code, details }, JSON.stringify(body).slice(0, 120))
  await t.rejects(decodeRequest({ contentType: contentTypes.json, body: Buffer.from('{"inputs":') }, ctx), { code: 'ERR_REQUEST_JSON' })
  const wide = json({ inputs: [image, { ...ids, data: ['9007199254740993'] }] })
  t.equal((await decodeRequest(wide, ctx)).inputs.ids?.data[0], 9007199254740993n)
})

test('a request of hostile depth or length is refused like any other', async t => {
  const ctx = context([spec('x', 'float32', ['n', 2])])
  const text = (data: string): EncodedRequest => ({
    contentType: contentTypes.json,
    body: Buffer.from(`{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":${data}}]}`),
  })
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  await t.rejects(decodeRequest(text(deep), ctx), { code: 'ERR_REQUEST_SHAPE' })
  await t.rejects(decodeRequest(text(`[1,${deep}]`), ctx), { code: 'ERR_REQUEST_DTYPE' })
  await t.rejects(decodeRequest(text(`[1,"${'9'.repeat(1_000_000)}"]`), ctx), { code: 'ERR_REQUEST_DTYPE' })
  await t.rejects(decodeRequest(text(`[${'1,'.repeat(100_000)}1]`), ctx), { code: 'ERR_REQUEST_SHAPE' })
  const many = Array.from({ length: 1000 }, () => ({ name: 'x', shape: [1, 2], datatype: 'FP32', data: [1, 2] }))
  await t.rejects(decodeRequest(json({ inputs: many }), ctx), { code: 'ERR_REQUEST_JSON' })
})

test('sizes of a binary request are held to its bytes', async t => {
  const ctx = context([spec('a', 'float32', ['n', 2]), spec('b', 'bool', [2])])
  const binary = (header: unknown, tensors: Uint8Array, jsonLength?: number): EncodedRequest => {
    const head = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
    return { contentType: contentTypes.oip, jsonLength: jsonLength ?? head.length, body: Buffer.concat([head, tensors]) }
  }
  const a = (size: unknown) => ({ name: 'a', shape: [1, 2], datatype: 'FP32', parameters: { binary_data_size: size } })
  const b = { name: 'b', shape: [2], datatype: 'BOOL', data: [true, false] }
  const good = await decodeRequest(binary({ inputs: [a(8), b] }, Buffer.from(Float32Array.of(3, 4).buffer)), ctx)
  t.strictSame(good.inputs, { a: f32([1, 2], [3, 4]), b: { dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) } })
  const cases: readonly [string, EncodedRequest, string][] = [
    ['no header length', { contentType: contentTypes.oip, body: Buffer.from('{}') }, 'ERR_REQUEST_HEADER'],
    ['header beyond the body', binary({ inputs: [] }, Buffer.alloc(0), 1000), 'ERR_REQUEST_HEADER'],
    ['tensor beyond the body', binary({ inputs: [a(8), b] }, Buffer.alloc(7)), 'ERR_REQUEST_HEADER'],
    ['size above the body', binary({ inputs: [a(2 ** 50), b] }, Buffer.alloc(8)), 'ERR_REQUEST_HEADER'],
    ['negative size', binary({ inputs: [a(-8), b] }, Buffer.alloc(8)), 'ERR_REQUEST_HEADER'],
    ['size that is no number', binary({ inputs: [a('8'), b] }, Buffer.alloc(8)), 'ERR_REQUEST_HEADER'],
    ['size against shape', binary({ inputs: [a(4), b] }, Buffer.alloc(4)), 'ERR_REQUEST_SHAPE'],
    ['bytes left over', binary({ inputs: [a(8), b] }, Buffer.alloc(9)), 'ERR_REQUEST_HEADER'],
    ['neither data nor size', binary({ inputs: [{ ...a(8), parameters: {} }, b] }, Buffer.alloc(8)), 'ERR_REQUEST_HEADER'],
    [
      'boolean that is 2',
      binary({ inputs: [{ ...b, data: undefined, parameters: { binary_data_size: 2 } }] }, Buffer.from([2, 1])),
      'ERR_REQUEST_DTYPE',
    ],
    ['no JSON', binary('{"inputs"', Buffer.alloc(8)), 'ERR_REQUEST_JSON'],
  ]
  for (const [name, request, code] of cases) await t.rejects(decodeRequest(request, ctx), { code }, name)
})

test('tensors of a binary request are views of its bytes, wherever these begin', async t => {
  const encoded = encodeRequest({ x: f32([1, 2], [5, 6]) }, { form: 'oip' })
  const ctx = context([spec('x', 'float32', ['n', 2])])
  const { inputs } = await decodeRequest(encoded, ctx)
  t.equal(inputs.x?.data.buffer, encoded.body.buffer)
  const shifted = new Uint8Array(encoded.body.length + 1)
  shifted.set(encoded.body, 1)
  t.strictSame((await decodeRequest({ ...encoded, body: shifted.subarray(1) }, ctx)).inputs, { x: f32([1, 2], [5, 6]) })
})

test('a state input that is not sent is zeros, sized by the batch that is', async t => {
  const ctx = context([spec('x', 'float32', ['n', 2]), spec('h', 'float32', [2, 'n', 1])], { state: { hn: 'h' } })
  const request = encodeRequest({ x: f32([3, 2], [1, 2, 3, 4, 5, 6]) }, { form: 'json' })
  t.strictSame((await decodeRequest(request, ctx)).inputs.h, f32([2, 3, 1], [0, 0, 0, 0, 0, 0]))
  const sent = encodeRequest({ x: f32([1, 2], [1, 2]), h: f32([2, 1, 1], [7, 8]) }, { form: 'oip' })
  t.strictSame((await decodeRequest(sent, ctx)).inputs.h, f32([2, 1, 1], [7, 8]))
})

test('raw bytes are the values, or the pixels that model.json says how to normalise', async t => {
  const raw = (bytes: Uint8Array): EncodedRequest => ({ contentType: contentTypes.raw, body: bytes })
  const floats = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer)
  const plain = context([spec('x', 'float32', ['n', 2])])
  t.strictSame((await decodeRequest(raw(floats([1, 2])), plain)).inputs.x, f32([1, 2], [1, 2]))
  t.strictSame((await decodeRequest(raw(floats([1, 2, 3, 4])), plain)).inputs.x, f32([2, 2], [1, 2, 3, 4]))
  await t.rejects(decodeRequest(raw(new Uint8Array(7)), plain), { code: 'ERR_REQUEST_SHAPE', details: { actual: 7 } })
  await t.rejects(decodeRequest(raw(new Uint8Array()), plain), { code: 'ERR_REQUEST_SHAPE' })
  const bytes = context([spec('x', 'float32', ['n', 2])], { inputs: { x: { from: 'uint8', scale: 0.5, mean: 1 } } })
  t.strictSame((await decodeRequest(raw(Uint8Array.of(4, 6)), bytes)).inputs.x, f32([1, 2], [1, 2]))
  t.strictSame((await decodeRequest(raw(Uint8Array.of(4, 6, 0, 2)), bytes)).inputs.x, f32([2, 2], [1, 2, -1, 0]))
  t.strictSame((await decodeRequest(raw(floats([1, 2])), bytes)).inputs.x, f32([1, 2], [1, 2]), 'eight bytes are two floats')
  const two = context([spec('x', 'float32', ['n', 2]), spec('z', 'float32', ['n', 2])])
  await t.rejects(decodeRequest(raw(floats([1, 2])), two), { code: 'ERR_REQUEST_MEDIA' })
})

const image = (pixels: readonly number[], width: number, height: number) =>
  sharp(Uint8Array.from(pixels), { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer()
const png = (body: Uint8Array): EncodedRequest => ({ contentType: contentTypes.png, body })

test('an image becomes the input in the order of channels and axes that model.json says', async t => {
  const body = await image([10, 20, 30, 40, 50, 60], 2, 1)
  const decode = async (shape: TensorSpec['shape'], input: object) =>
    (await decodeRequest(png(body), context([spec('x', 'float32', shape)], { inputs: { x: { from: 'image', scale: 1, ...input } } })))
      .inputs.x
  t.strictSame(await decode(['n', 3, 1, 2], {}), f32([1, 3, 1, 2], [10, 40, 20, 50, 30, 60]))
  t.strictSame(await decode(['n', 3, 1, 2], { channels: 'bgr' }), f32([1, 3, 1, 2], [30, 60, 20, 50, 10, 40]))
  t.strictSame(await decode(['n', 1, 2, 3], { layout: 'nhwc' }), f32([1, 1, 2, 3], [10, 20, 30, 40, 50, 60]))
  t.strictSame(await decode(['n', 1, 2, 3], { layout: 'nhwc', channels: 'bgr' }), f32([1, 1, 2, 3], [30, 20, 10, 60, 50, 40]))
  t.strictSame(
    await decode(['n', 3, 'h', 'w'], { width: 2, height: 1, mean: [10, 20, 30], std: [1, 2, 1] }),
    f32([1, 3, 1, 2], [0, 30, 0, 15, 0, 30]),
  )
})

test('pad-right keeps the aspect at full height and fills with zeros after normalisation', async t => {
  const body = await image(Array(3 * 2 * 2).fill(200), 2, 2)
  const input = { from: 'image', scale: 0.01, mean: 1, fit: 'pad-right', layout: 'nhwc' }
  const decode = async (shape: TensorSpec['shape'], extra: object = {}) =>
    (await decodeRequest(png(body), context([spec('x', 'float32', shape)], { inputs: { x: { ...input, ...extra } } }))).inputs.x
  const wide = await decode([1, 1, 4, 3])
  t.strictSame(wide?.data, Float32Array.from([1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
  const planar = await decode([1, 3, 1, 2], { layout: 'nchw' })
  t.strictSame(planar?.data, Float32Array.from([1, 0, 1, 0, 1, 0]))
  const narrow = await decode([1, 2, 1, 3])
  t.strictSame(narrow?.shape, [1, 2, 1, 3], 'wider than the input is shrunk to it')
})

test('pixels that model.json normalises as raw bytes may also come as an image', async t => {
  const body = await image([30, 30, 30, 90, 90, 90], 2, 1)
  const ctx = context([spec('x', 'float32', ['n', 1, 1, 2])], { inputs: { x: { from: 'uint8', scale: 0.1 } } })
  t.strictSame((await decodeRequest(png(body), ctx)).inputs.x, f32([1, 1, 1, 2], [3, 9]))
})

test('what is no image, too large, or not wanted is refused', async t => {
  const declared = { inputs: { x: { from: 'image' } } }
  const ctx = context([spec('x', 'float32', ['n', 3, 2, 2])], declared)
  const body = await image(Array(12).fill(1), 2, 2)
  const bomb = Buffer.from(body)
  // Width of the PNG header: what it claims is believed before a pixel is unpacked.
  bomb.writeUInt32BE(100_000, 16)
  bomb.writeUInt32BE(100_000, 20)
  const gif = Buffer.from('GIF89a')
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>')
  for (const [name, bytes] of [
    ['cut', body.subarray(0, 60)],
    ['bomb', bomb],
    ['gif', gif],
    ['svg', svg],
    ['empty', new Uint8Array()],
  ] as const) {
    await t.rejects(decodeRequest(png(bytes), ctx), { code: 'ERR_REQUEST_IMAGE' }, name)
  }
  await t.rejects(decodeRequest(png(body), context([spec('x', 'float32', ['n', 3, 2, 2])])), { code: 'ERR_REQUEST_MEDIA' })
  await t.rejects(decodeRequest(png(body), context([spec('x', 'float32', ['n', 8])], declared)), { code: 'ERR_REQUEST_MEDIA' })
  await t.rejects(decodeRequest(png(body), context([spec('x', 'float32', ['n', 3, 'h', 'w'])], declared)), { code: 'ERR_REQUEST_MEDIA' })
  await t.rejects(decodeRequest(png(body), context([spec('x', 'float32', ['n', 1, 2, 2])], declared)), { code: 'ERR_REQUEST_MEDIA' })
})

test('mutated requests end in a coded error or in tensors that fit', async t => {
  const random = seededRandom(20_26)
  const pick = (count: number) => Math.floor(random() * count)
  const ctx = context([spec('x', 'float32', ['n', 3, 2, 2]), spec('k', 'int64', [1])], { inputs: { x: { from: 'uint8' } } })
  const inputs = { x: f32([1, 3, 2, 2], [...Array(12).keys()]), k: { dtype: 'int64', shape: [1], data: BigInt64Array.of(3n) } as Tensor }
  const seeds: EncodedRequest[] = [
    encodeRequest(inputs, { form: 'json' }),
    encodeRequest(inputs, { form: 'oip', id: 'i' }),
    png(await image(Array(12).fill(9), 2, 2)),
  ]
  let accepted = 0
  for (let round = 0; round < 600; round += 1) {
    const seed = seeds[round % seeds.length]!
    const body = Uint8Array.from(seed.body)
    for (let edits = 1 + pick(4); edits > 0; edits -= 1) body[pick(body.length)] = pick(256)
    const cut = random() < 0.2 ? body.subarray(0, pick(body.length)) : body
    const jsonLength = random() < 0.1 ? pick(2 ** 32) : seed.jsonLength
    try {
      const decoded = await decodeInputs({ ...seed, body: cut, ...(jsonLength === undefined ? {} : { jsonLength }) }, ctx)
      for (const tensor of Object.values(decoded)) t.equal(tensor.data.length, elementCount(tensor.shape))
      accepted += 1
    } catch (error) {
      if (!(error instanceof QuantdError) || !error.code.startsWith('ERR_REQUEST_')) t.fail(`round ${round}: ${error}`)
    }
  }
  t.ok(accepted > 0, `${accepted} of 600 were still requests`)
})
