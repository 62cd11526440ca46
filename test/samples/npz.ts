import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { zipSync } from 'fflate'
import { type Test, test } from 'tap'
import type { TensorSpec } from '../../src/graph/tensor/spec.js'
import type { Tensor } from '../../src/graph/tensor/tensor.js'
import { packageRoot } from '../../src/paths.js'
import { formatNpyHeader } from '../../src/samples/npy.js'
import { openNpz } from '../../src/samples/npz.js'
import { formatNpy, formatNpz } from '../../src/samples/write-npz.js'

const f32 = (shape: readonly number[], values: readonly number[]): Tensor => ({ dtype: 'float32', shape, data: Float32Array.from(values) })
const i64 = (shape: readonly number[], values: readonly number[]): Tensor => ({
  dtype: 'int64',
  shape,
  data: BigInt64Array.from(values.map(BigInt)),
})
const input = (name: string, shape: TensorSpec['shape'], dtype: TensorSpec['dtype'] = 'float32'): TensorSpec => ({ name, dtype, shape })

function saved(t: Test, bytes: Uint8Array, name = 'samples.npz'): string {
  const path = join(t.testdir(), name)
  writeFileSync(path, bytes)
  return path
}

/** An array of '<U3' texts, as NumPy stores them. */
function texts(values: readonly string[]): Uint8Array {
  const points = Uint32Array.from(values.flatMap(text => Array.from({ length: 3 }, (_, i) => [...text][i]?.codePointAt(0) ?? 0)))
  const header = formatNpyHeader('<U3', [values.length])
  return Buffer.concat([header, new Uint8Array(points.buffer)])
}

test('an array of the rank of its input is fed as [1, ...] slices, one of a rank more as its slices, a scalar to every sample', async t => {
  const path = saved(
    t,
    formatNpz({ 'input:0': f32([3, 2], [1, 2, 3, 4, 5, 6]), state: f32([3, 2, 1, 1], [7, 8, 9, 10, 11, 12]), sr: i64([], [16000]) }),
  )
  const source = await openNpz(path, {
    inputs: [input('input:0', ['batch', 2]), input('state', [2, undefined, 1]), input('sr', [], 'int64')],
  })
  t.teardown(() => source.close())
  t.equal(source.count, 3)
  t.equal(source.labelled, false)
  t.strictSame((await source.read(1)).inputs, { 'input:0': f32([1, 2], [3, 4]), state: f32([2, 1, 1], [9, 10]), sr: i64([], [16000]) })
  t.strictSame((await source.read(2)).inputs['input:0'], f32([1, 2], [5, 6]))
})

test('deflated and stored files give the same samples and the same hash', async t => {
  const arrays = { x: f32([4, 3], [...Array(12).keys()]), label: i64([4], [3, 2, 1, 0]) }
  const stored = await openNpz(saved(t, formatNpz(arrays), 'stored.npz'), { inputs: [input('x', [1, 3])] })
  const path = join(t.testdirName, 'deflated.npz')
  writeFileSync(path, formatNpz(arrays, { compress: 'deflated' }))
  const deflated = await openNpz(path, { inputs: [input('x', [1, 3])] })
  t.teardown(async () => {
    await stored.close()
    await deflated.close()
  })
  t.equal(deflated.hash, stored.hash)
  for (let i = 0; i < 4; i += 1) t.strictSame((await deflated.read(i)).inputs, (await stored.read(i)).inputs)
  t.strictSame((await deflated.read(1)).label, 2)
})

test('files that NumPy itself wrote are read, text labels and all', async t => {
  const numpy = (name: string) => join(packageRoot, 'test/fixtures/numpy', name)
  const inputs = [input('input:0', ['n', 2, 3]), input('h', [1, 1], 'float16'), input('flag', ['n'], 'bool'), input('sr', [], 'int64')]
  const compressed = await openNpz(numpy('compressed.npz'), { inputs })
  t.strictSame(await compressed.read(1), {
    id: 'compressed.npz#1',
    inputs: {
      'input:0': f32(
        [1, 2, 3],
        [6, 7, 8, 9, 10, 11].map(value => value / 7),
      ),
      h: { dtype: 'float16', shape: [1, 1], data: Uint16Array.of(0xc000) },
      flag: { dtype: 'bool', shape: [1], data: Uint8Array.of(0) },
      sr: i64([], [16000]),
    },
    label: '日本',
  })
  t.equal((await compressed.read(0)).label, 'día')
  await compressed.close()
  const stored = await openNpz(numpy('stored.npz'), { inputs: [input('x', ['n', 3], 'int32')] })
  t.strictSame(await stored.read(1), {
    id: 'stored.npz#1',
    inputs: { x: { dtype: 'int32', shape: [1, 3], data: Int32Array.of(3, 4, 5) } },
    label: 1,
  })
  await stored.close()
})

test('another value, label or preprocessing gives another hash', async t => {
  const inputs = [input('x', [1, 2])]
  const open = async (arrays: Record<string, Tensor>, scale?: number) => {
    const source = await openNpz(saved(t, formatNpz(arrays)), {
      inputs,
      manifest: { state: {}, inputs: scale === undefined ? {} : { x: { from: 'uint8', scale, mean: 0, std: 1 } } },
    })
    await source.close()
    return source.hash
  }
  const bytes: Tensor = { dtype: 'uint8', shape: [1, 2], data: Uint8Array.of(1, 2) }
  const hashes = [
    await open({ x: f32([1, 2], [1, 2]) }),
    await open({ x: f32([1, 2], [1, 3]) }),
    await open({ x: f32([1, 2], [1, 2]), label: i64([1], [0]) }),
    await open({ x: f32([1, 2], [1, 2]), label: i64([1], [1]) }),
    await open({ x: bytes }, 1),
    await open({ x: bytes }, 2),
  ]
  t.equal(new Set(hashes).size, hashes.length)
})

test('labels are indices, rows or texts by the type of their array', async t => {
  const inputs = [input('x', [undefined])]
  const x = formatNpy(f32([2], [0, 0]))
  const cases: readonly [Uint8Array, readonly unknown[]][] = [
    [formatNpy(i64([2], [4, -1])), [4, -1]],
    [formatNpy({ dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) }), [1, 0]],
    [formatNpy(f32([2], [0.5, 2])), [[0.5], [2]]],
    [formatNpy({ dtype: 'float16', shape: [2, 1], data: Uint16Array.of(0x3c00, 0xc000) }), [[1], [-2]]],
    [
      formatNpy(i64([2, 2], [1, 2, 3, 4])),
      [
        [1, 2],
        [3, 4],
      ],
    ],
    [
      formatNpy(f32([2, 2, 2], [1, 2, 3, 4, 5, 6, Number.NaN, Number.NaN])),
      [
        [1, 2, 3, 4],
        [5, 6, Number.NaN, Number.NaN],
      ],
    ],
    [texts(['ab', 'ü€😀']), ['ab', 'ü€😀']],
  ]
  for (const [label, expected] of cases) {
    const source = await openNpz(saved(t, zipSync({ 'x.npy': x, 'label.npy': label }, { level: 0 })), { inputs })
    t.ok(source.labelled)
    t.strictSame([(await source.read(0)).label, (await source.read(1)).label], expected)
    await source.close()
  }
})

test('bytes become floats by the preprocessing of model.json, and only by it', async t => {
  const pixels: Tensor = { dtype: 'uint8', shape: [1, 2, 1, 2], data: Uint8Array.of(0, 255, 51, 102) }
  const inputs = [input('x', ['n', 2, 1, 2])]
  const path = saved(t, formatNpz({ x: pixels }))
  await t.rejects(openNpz(path, { inputs }), { code: 'ERR_SAMPLES_DTYPE', message: /"from": "uint8"/ })
  const preprocessing = { from: 'uint8', scale: 1 / 255, mean: [0, 0.2], std: [1, 0.5] } as const
  const source = await openNpz(path, {
    inputs,
    manifest: { state: {}, inputs: { x: { ...preprocessing, mean: [0, 0.2], std: [1, 0.5] } } },
  })
  t.teardown(() => source.close())
  t.strictSame((await source.read(0)).inputs.x, f32([1, 2, 1, 2], [0, 1, (51 / 255 - 0.2) / 0.5, (102 / 255 - 0.2) / 0.5]))
})

test('a model with one input takes a .npy, and an array of any name', async t => {
  const inputs = [input('x', [1, 2]), input('h', [1, 1, 4])]
  const manifest = { inputs: {}, state: { hn: 'h' } }
  for (const [bytes, name] of [
    [formatNpy(f32([2, 2], [1, 2, 3, 4])), 'a.npy'],
    [formatNpz({ arr_0: f32([2, 2], [1, 2, 3, 4]) }), 'a.npz'],
  ] as const) {
    const source = await openNpz(saved(t, bytes, name), { inputs, manifest })
    t.strictSame(
      (await source.read(1)).inputs,
      { h: f32([1, 1, 4], [0, 0, 0, 0]), x: f32([1, 2], [3, 4]) },
      `${name}; the state starts at zero`,
    )
    await source.close()
  }
})

test('what does not fit the model is refused by name', async t => {
  const inputs = [input('a', ['n', 2]), input('b', ['n'], 'int32')]
  const b: Tensor = { dtype: 'int32', shape: [2], data: Int32Array.of(1, 2) }
  const a = f32([2, 2], [1, 2, 3, 4])
  const cases: readonly [Record<string, Tensor>, string, RegExp][] = [
    [{ a }, 'ERR_SAMPLES_INPUTS', /no array for input 'b'/],
    [{ a, b, c: a }, 'ERR_SAMPLES_INPUTS', /'c' is no input/],
    [{ a: f32([2, 3], [1, 2, 3, 4, 5, 6]), b }, 'ERR_SAMPLES_SHAPE', /\[1,3\], input 'a' takes \[n,2\]/],
    [{ a: f32([1, 2], [1, 2]), b }, 'ERR_SAMPLES_SHAPE', /'b'.* 2 samples, 'a' has 1/],
    [{ a: f32([2, 1, 1, 2], [1, 2, 3, 4]), b }, 'ERR_SAMPLES_SHAPE', /rank 2/],
    [{ a, b: i64([2], [2 ** 40, 1]) }, 'ERR_SAMPLES_DTYPE', /1099511627776.*int32/],
    [{ a, b: f32([2], [1, 2]) }, 'ERR_SAMPLES_DTYPE', /float32 values for an input of type int32/],
    [{ a, b, label: i64([3], [1, 2, 3]) }, 'ERR_SAMPLES_LABEL', /2 samples/],
  ]
  for (const [arrays, code, message] of cases) await t.rejects(openNpz(saved(t, formatNpz(arrays)), { inputs }), { code, message })
})

test('a file that is no archive of arrays, or is cut off, is refused', async t => {
  const inputs = [input('x', [1, 2])]
  const whole = formatNpz({ x: f32([2, 2], [1, 2, 3, 4]) })
  const fortran = Buffer.concat([formatNpyHeader('<f4', [2, 2]), new Uint8Array(16)])
  fortran.write('True ', fortran.indexOf('False'))
  const cases: readonly [string, Uint8Array, string][] = [
    ['empty', new Uint8Array(), 'ERR_SAMPLES_FORMAT'],
    ['text', Buffer.from('hello world, hello world'), 'ERR_SAMPLES_FORMAT'],
    ['cut zip', whole.subarray(0, whole.length - 30), 'ERR_SAMPLES_FORMAT'],
    ['zip without arrays', zipSync({ 'readme.txt': Buffer.from('x') }), 'ERR_SAMPLES_FORMAT'],
    ['cut npy', formatNpy(f32([2, 2], [1, 2, 3, 4])).subarray(0, 140), 'ERR_SAMPLES_FORMAT'],
    ['python object', Buffer.concat([formatNpyHeader('|O', [1]), new Uint8Array(8)]), 'ERR_SAMPLES_FORMAT'],
    ['big-endian', Buffer.concat([formatNpyHeader('>f4', [2, 2]), new Uint8Array(16)]), 'ERR_SAMPLES_FORMAT'],
    ['fortran order', fortran, 'ERR_SAMPLES_FORMAT'],
    ['a shape beyond memory', Buffer.concat([formatNpyHeader('<f4', [2 ** 40, 2 ** 40]), new Uint8Array(16)]), 'ERR_SAMPLES_FORMAT'],
  ]
  for (const [name, bytes, code] of cases) await t.rejects(openNpz(saved(t, bytes, 'f.npy'), { inputs }), { code }, name)
  await t.rejects(openNpz(join(t.testdirName, 'missing.npz'), { inputs }), { code: 'ERR_SAMPLES_READ', message: /ENOENT/ })
})
