import { elementCount } from '../../graph/tensor/tensor.js'
import { clamp, roundHalfEven } from '../ranges/affine.js'
import type { Grid } from './grid.js'

/** Quantized weights of a file in the layout of their tensor: value = scales[channel] * code. */
export interface WeightCodes {
  readonly codes: Int8Array
  readonly shape: readonly number[]
  readonly scales: Float32Array
  /** Axis of the scales; undefined = one for all. */
  readonly axis: number | undefined
}

/** Channel along `axis` of the element at a row-major index. */
export function channelAt(shape: readonly number[], axis: number | undefined): (index: number) => number {
  if (axis === undefined) return () => 0
  const inner = elementCount(shape.slice(axis + 1))
  const channels = shape[axis]!
  return index => Math.floor(index / inner) % channels
}

/** Codes less their zero point of `values` on `grid`: rounded half to even, cut at the ends of its codes. */
export function centredCodes(
  values: ArrayLike<number>,
  shape: readonly number[],
  { scales, zeroPoints, low, high, axis }: Grid,
): Int32Array {
  const channelOf = channelAt(shape, axis)
  return Int32Array.from(values, (value, index) => {
    const channel = channelOf(index)
    const zeroPoint = zeroPoints[channel]!
    return clamp(roundHalfEven(Math.fround(value / scales[channel]!)), low - zeroPoint, high - zeroPoint)
  })
}

/** `grid` with the scales, of those that its limits leave open, on whose steps the most of `values` lie to the last bit. */
export function gridUnder(values: ArrayLike<number>, shape: readonly number[], grid: Grid): Grid {
  if (grid.likelyScales === undefined || grid.likelyScales.size === 0) return grid
  const channelOf = channelAt(shape, grid.axis)
  const hits = new Map([...grid.likelyScales].map(([channel, likely]) => [channel, likely.map(() => 0)]))
  for (let index = 0; index < values.length; index += 1) {
    const channel = channelOf(index)
    const value = values[index]!
    grid.likelyScales.get(channel)?.forEach((scale, at) => {
      if (Math.fround(roundHalfEven(value / scale) * scale) === value) hits.get(channel)![at]! += 1
    })
  }
  const scales = grid.scales.slice()
  for (const [channel, counts] of hits) scales[channel] = grid.likelyScales.get(channel)![counts.indexOf(Math.max(...counts))]!
  return { ...grid, scales }
}

/** What centred codes stand for, as float32. */
export function valuesOf(
  codes: ArrayLike<number>,
  shape: readonly number[],
  { scales, axis }: Pick<Grid, 'scales' | 'axis'>,
): Float32Array {
  const channelOf = channelAt(shape, axis)
  return Float32Array.from(codes, (code, index) => code * scales[channelOf(index)]!)
}

/** Centred codes as int8 weights with zero point 0; undefined where one does not fit into 8 bits. */
export function weightCodes(codes: Int32Array, shape: readonly number[], { scales, axis }: Grid): WeightCodes | undefined {
  if (!codes.every(code => code >= -128 && code <= 127)) return undefined
  return { codes: Int8Array.from(codes), shape, scales, axis }
}

/** The same weights behind a Transpose. */
export function transposedWeights({ codes, shape, scales, axis }: WeightCodes, permutation: readonly number[]): WeightCodes {
  const turned = permutation.map(from => shape[from]!)
  const strides = shape.map((_, at) => elementCount(shape.slice(at + 1)))
  const steps = permutation.map(from => strides[from]!)
  const result = new Int8Array(codes.length)
  const position = turned.map(() => 0)
  let source = 0
  for (let index = 0; index < codes.length; index += 1) {
    result[index] = codes[source]!
    for (let at = turned.length - 1; at >= 0; at -= 1) {
      position[at]! += 1
      source += steps[at]!
      if (position[at]! < turned[at]!) break
      source -= steps[at]! * turned[at]!
      position[at] = 0
    }
  }
  return { codes: result, shape: turned, scales, axis: axis === undefined ? undefined : permutation.indexOf(axis) }
}
