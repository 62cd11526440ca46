import { test } from 'tap'
import { float16Bits } from '../../src/samples/float16.js'
import { ImagePreprocessing, RawPreprocessing } from '../../src/samples/manifest.js'
import { normalise } from '../../src/samples/normalise.js'

const bytes = Uint8Array.of(0, 51, 102, 255)

test('it is (value * scale - mean) / std, rounded once to the type of the input', async t => {
  const preprocessing = RawPreprocessing.parse({ from: 'uint8', scale: 1 / 255, mean: 0.286, std: 0.353 })
  const exact = [...bytes].map(value => (value * (1 / 255) - 0.286) / 0.353)
  const at = (dtype: 'float32' | 'float64' | 'float16') => normalise(bytes, { shape: [1, 4], preprocessing, dtype })
  t.strictSame(at('float64'), Float64Array.from(exact))
  t.strictSame(at('float32'), Float32Array.from(exact))
  t.strictSame(at('float16'), Uint16Array.from(exact, float16Bits))
})

test('means and deviations per channel follow the layout', async t => {
  const per = { scale: 1, mean: [0, 50], std: [1, 2] }
  const planar = ImagePreprocessing.parse({ from: 'image', layout: 'nchw', ...per })
  const interleaved = ImagePreprocessing.parse({ from: 'image', layout: 'nhwc', ...per })
  const values = (shape: readonly number[], preprocessing: typeof planar) =>
    [...normalise(bytes, { shape, preprocessing, dtype: 'float32' })].map(Number)
  t.strictSame(values([1, 2, 1, 2], planar), [0, 51, 26, 102.5])
  t.strictSame(values([1, 1, 2, 2], interleaved), [0, 0.5, 102, 102.5])
  t.strictSame(values([2, 2, 1, 1], planar), [0, 0.5, 102, 102.5], 'every item of a batch begins with the first channel')
  const raw = RawPreprocessing.parse({ from: 'uint8', ...per })
  t.strictSame([...normalise(bytes, { shape: [2, 2], preprocessing: raw, dtype: 'float32' })].map(Number), [0, 0.5, 102, 102.5])
})

test('entries that are no channel count are refused', async t => {
  const preprocessing = RawPreprocessing.parse({ from: 'uint8', mean: [1, 2, 3] })
  t.throws(() => normalise(bytes, { shape: [1, 4], preprocessing, dtype: 'float32' }), { code: 'ERR_SAMPLES_SHAPE' })
  const uneven = RawPreprocessing.parse({ from: 'uint8', mean: [1, 2], std: [1, 2, 3, 4] })
  t.throws(() => normalise(bytes, { shape: [1, 4], preprocessing: uneven, dtype: 'float32' }), { code: 'ERR_SAMPLES_SHAPE' })
})
