import type { z } from 'zod'
import { QuantdError } from '../errors.js'
import type { NumericDType, TensorData } from '../graph/tensor/dtype.js'
import { float16Bits } from './float16.js'
import type { ImagePreprocessing, RawPreprocessing } from './manifest.js'

export type Preprocessing = z.infer<typeof ImagePreprocessing> | z.infer<typeof RawPreprocessing>

/** Types that normalised values may become. */
export type FloatDType = 'float32' | 'float16' | 'float64'
export const isFloat = (dtype: NumericDType): dtype is FloatDType => dtype === 'float32' || dtype === 'float16' || dtype === 'float64'

/**
 * (value * scale - mean) / std of bytes that already have the layout of the input. `mean` and `std` are one number or one per channel; the channel
 * axis is 1 for nchw, the last for nhwc, and for raw bytes whichever of these two has that many entries.
 * Computed in double precision, rounded once to `dtype`.
 * @param shape with the batch axis first
 * @throws ERR_SAMPLES_SHAPE when `mean` or `std` has an entry count that is no channel count
 */
export function normalise(
  values: Uint8Array,
  { shape, preprocessing, dtype }: { readonly shape: readonly number[]; readonly preprocessing: Preprocessing; readonly dtype: FloatDType },
): TensorData {
  const { scale, mean, std } = preprocessing
  const channels = Math.max(countOf(mean), countOf(std))
  const axis = channelAxis(channels, shape, preprocessing)
  const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1)
  const tables = Array.from({ length: channels }, (_, channel) =>
    codeTable({ scale, mean: entry(mean, channel), std: entry(std, channel), dtype }),
  )
  const result = storage(dtype, values.length)
  if (channels === 1) {
    const table = tables[0]!
    for (let i = 0; i < values.length; i += 1) result[i] = table[values[i]!]!
    return result
  }
  for (let i = 0, channel = 0; i < values.length; channel = (channel + 1) % channels) {
    const table = tables[channel]!
    for (const end = Math.min(i + inner, values.length); i < end; i += 1) result[i] = table[values[i]!]!
  }
  return result
}

/** The 256 values that a byte can become. */
function codeTable({ scale, mean, std, dtype }: { scale: number; mean: number; std: number; dtype: FloatDType }) {
  const table = storage(dtype, 256)
  for (let code = 0; code < 256; code += 1) {
    const value = (code * scale - mean) / std
    table[code] = dtype === 'float16' ? float16Bits(value) : value
  }
  return table
}

function storage(dtype: FloatDType, count: number): Float32Array | Float64Array | Uint16Array {
  if (dtype === 'float16') return new Uint16Array(count)
  return dtype === 'float32' ? new Float32Array(count) : new Float64Array(count)
}

const countOf = (value: number | readonly number[]) => (typeof value === 'number' ? 1 : value.length)
const entry = (value: number | readonly number[], channel: number) =>
  typeof value === 'number' ? value : value.length === 1 ? value[0]! : value[channel]!

function channelAxis(channels: number, shape: readonly number[], preprocessing: Preprocessing): number {
  const last = shape.length - 1
  if (channels === 1) return last
  const candidates = preprocessing.from === 'uint8' ? [1, last] : preprocessing.layout === 'nchw' ? [1] : [last]
  const axis = candidates.find(candidate => shape[candidate] === channels)
  const uneven = [preprocessing.mean, preprocessing.std].some(value => countOf(value) !== 1 && countOf(value) !== channels)
  if (axis === undefined || uneven) {
    throw new QuantdError(
      'ERR_SAMPLES_SHAPE',
      `mean and std have ${countOf(preprocessing.mean)} and ${countOf(preprocessing.std)} entries; no channel axis of [${shape.join()}] has as many`,
      {
        details: { shape, channels },
      },
    )
  }
  return axis
}
