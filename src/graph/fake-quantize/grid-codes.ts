import { roundHalfEven } from '../tensor/round-half-even.js'
import { elementCount } from '../tensor/tensor.js'
import type { Grid } from './grid.js'

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
  const codes = new Int32Array(values.length)
  for (let index = 0; index < codes.length; index += 1) {
    const channel = channelOf(index)
    const zeroPoint = zeroPoints[channel]!
    const code = roundHalfEven(Math.fround(values[index]! / scales[channel]!))
    codes[index] = Math.max(low - zeroPoint, Math.min(high - zeroPoint, code))
  }
  return codes
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
  const values = new Float32Array(codes.length)
  for (let index = 0; index < values.length; index += 1) values[index] = codes[index]! * scales[channelOf(index)]!
  return values
}
