import type { Affine, Range } from './affine.js'
import type { Histogram } from './histogram-counts.js'
import { defineRangeEstimator, type SecondLook } from './range-estimator.js'
import { searchMagnitude } from './shrink-range.js'

/** Probability that codes are given where they have none, in counts. */
const floorCount = 1e-4

/**
 * Divergence of Kullback and Leibler of the values from what their codes can tell: values beyond the codes are counted at the last bin within, and what falls
 * on one code is spread evenly over the bins that it stands for, as far as they hold any. The bin of 0 counts as its larger neighbour: 0 is a code of its own,
 * and where half of a tensor is 0 nothing else would be seen.
 */
export function divergence({ counts, width, zero }: Histogram, { scale, zeroPoint }: Affine): number {
  const binOf = (value: number) => Math.max(0, Math.min(counts.length - 1, Math.round(value / width) + zero))
  const [first, last] = [binOf(-zeroPoint * scale), binOf((255 - zeroPoint) * scale)]
  const within = counts.slice(first, last + 1)
  if (zero >= first && zero <= last) within[zero - first] = Math.max(counts[zero - 1] ?? 0, counts[zero + 1] ?? 0)
  const values = within.slice()
  for (let bin = 0; bin < first; bin += 1) values[0]! += counts[bin]!
  for (let bin = last + 1; bin < counts.length; bin += 1) values[values.length - 1]! += counts[bin]!
  const spread = spreadOverCodes(values, within, bin => Math.round(((first + bin - zero) * width) / scale))
  let [total, spreadTotal] = [0, 0]
  for (let bin = 0; bin < values.length; bin += 1) {
    total += values[bin]!
    spreadTotal += spread[bin]!
  }
  if (total === 0 || spreadTotal === 0) return Number.POSITIVE_INFINITY
  let sum = 0
  for (let bin = 0; bin < values.length; bin += 1) {
    const value = values[bin]!
    if (value > 0) sum += (value / total) * Math.log(value / total / (Math.max(spread[bin]!, floorCount) / spreadTotal))
  }
  return sum
}

/** What lies `within` the codes, evenly over the bins of each code that `values` fill. Bins of one code lie side by side. */
function spreadOverCodes(values: Float64Array, within: Float64Array, codeOf: (bin: number) => number): Float64Array {
  const spread = new Float64Array(values.length)
  for (let start = 0, end = 0; start < values.length; start = end) {
    let [mass, filled] = [0, 0]
    const code = codeOf(start)
    for (end = start; end < values.length && codeOf(end) === code; end += 1) {
      mass += within[end]!
      if (values[end]! > 0) filled += 1
    }
    for (let bin = start; bin < end; bin += 1) if (values[bin]! > 0) spread[bin] = mass / filled
  }
  return spread
}

const errorOf = ({ histogram, affineOf }: SecondLook, range: Range) => divergence(histogram, affineOf(range))

/**
 * The part of the range of `min-max` whose codes tell most of the distribution of the values, as the calibrator `Entropy` of TensorRT and ONNX Runtime finds it
 * (quantization.md 3.3). Those look at magnitudes with 128 levels, which wastes half of them where nothing lies below 0; here the levels are those that the
 * quantizer has on the values that there are.
 */
export const entropy = defineRangeEstimator({
  name: 'entropy',
  needs: 'extremes',
  over: 'outermost',
  refine: look => searchMagnitude(look, errorOf),
})
