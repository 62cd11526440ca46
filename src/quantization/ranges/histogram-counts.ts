import { clamp, type Range } from './affine.js'

/** Bins of a histogram: 16 KiB as float64 (quantization.md 3.4). */
const binCount = 2048

/**
 * How often values fall where. Bin `i` holds the values from (i - zero - 0.5) * width up to (i - zero + 0.5) * width: float 0, which is a code of every quantizer
 * and often the most frequent value by far, is the centre of a bin, so that it is not taken for an error.
 */
export interface Histogram {
  readonly counts: Float64Array
  readonly width: number
  /** Bin whose centre is 0. */
  readonly zero: number
}

/** An empty histogram over `range` and 0. */
export function emptyHistogram({ low, high }: Range): Histogram {
  const [a, b] = [Math.min(low, 0), Math.max(high, 0)]
  const width = b > a ? (b - a) / (binCount - 1) : 1
  return { counts: new Float64Array(binCount), width, zero: Math.min(binCount - 1, Math.round(-a / width)) }
}

/** Counts `values` in; those beyond either end in the bin there. */
export function countValues(histogram: Histogram, values: ArrayLike<number>): void {
  const { counts, width, zero } = histogram
  const [last, perWidth, middle] = [counts.length - 1, 1 / width, zero + 0.5]
  for (let i = 0; i < values.length; i += 1) {
    const at = values[i]! * perWidth + middle
    counts[at < 0 ? 0 : at > last ? last : at | 0]! += 1 // all of a tensor goes through here: two calls of Math cost five times as much
  }
}

const binOf = ({ counts, width, zero }: Histogram, value: number): number =>
  clamp(Math.floor(value / width + zero + 0.5), 0, counts.length - 1)

/** The same values with those beyond `range` moved to its ends. */
export function clipHistogram(histogram: Histogram, { low, high }: Range): Histogram {
  const [first, last] = [binOf(histogram, low), binOf(histogram, high)]
  const counts = new Float64Array(histogram.counts.length)
  for (let bin = 0; bin < counts.length; bin += 1) counts[clamp(bin, first, last)]! += histogram.counts[bin]!
  return { ...histogram, counts }
}
