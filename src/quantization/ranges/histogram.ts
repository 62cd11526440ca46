import { clamp, type Range } from './affine.js'
import type { Histogram } from './histogram-counts.js'
import { defineRangeEstimator } from './range-estimator.js'

/** Codes that a range is divided among. */
const codeCount = 256
/** Share of the values by which an end moves inwards per step. */
const massStep = 1e-5

/** First and last bin of a part of a histogram. */
interface Bins {
  readonly first: number
  readonly last: number
}

/**
 * The search of HistogramObserver (PyTorch, torchao, NNCF; from caffe2's norm_minimization.cc): the end that moves over more bins for the next 1e-5 of the values
 * moves, as long as that lessens the L2 error of 256 codes over the rest.
 */
export function searchBins({ counts }: Pick<Histogram, 'counts'>): Bins {
  const sums = Float64Array.from(counts)
  for (let bin = 1; bin < sums.length; bin += 1) sums[bin]! += sums[bin - 1]!
  const total = sums.at(-1)!
  let [alpha, beta, error] = [0, 1, Number.POSITIVE_INFINITY]
  let found: Bins = { first: 0, last: counts.length - 1 }
  while (alpha < beta) {
    const [nextAlpha, nextBeta] = [alpha + massStep, beta - massStep]
    let { first, last } = found
    while (first < found.last && sums[first]! < nextAlpha * total) first += 1
    while (last > found.first && sums[last]! > nextBeta * total) last -= 1
    const low = first - found.first > found.last - last
    const next = low ? { first, last: found.last } : { first: found.first, last }
    if (low) alpha = nextAlpha
    else beta = nextBeta
    if (next.first === found.first && next.last === found.last) continue
    const nextError = codeError(counts, next)
    if (nextError > error) break
    error = nextError
    found = next
  }
  return found
}

/** L2 error of 256 codes over `bins`, in bin widths, the values spread evenly within each bin. */
export function codeError(counts: Float64Array, { first, last }: Bins): number {
  const step = (last - first + 1) / codeCount
  const clampCode = (code: number) => Math.max(0, Math.min(codeCount - 1, Math.floor(code)))
  /** Integral of x^2. */
  const norm = (from: number, to: number) => (to * to * to - from * from * from) / 3
  const whole = norm(-step / 2, step / 2)
  let error = 0
  for (let bin = 0; bin < counts.length; bin += 1) {
    const density = counts[bin]!
    if (density === 0) continue
    const begin = bin - first
    const end = begin + 1
    const [beginCode, endCode] = [clampCode(begin / step), clampCode(end / step)]
    const parts =
      norm(begin - (beginCode + 0.5) * step, step / 2) + (endCode - beginCode - 1) * whole + norm(-step / 2, end - (endCode + 0.5) * step)
    error += density * parts
  }
  return error
}

function rangeOfBins({ width, zero }: Histogram, { first, last }: Bins): Range {
  return { low: (first - zero - 0.5) * width, high: (last - zero + 0.5) * width }
}

/** The range whose 256 codes cost the least L2 error, found by cutting rare values from either end (quantization.md 3.2). */
export const histogram = defineRangeEstimator({
  name: 'histogram',
  needs: 'extremes',
  over: 'outermost',
  refine: ({ histogram: counted, range }) => {
    const { low, high } = rangeOfBins(counted, searchBins(counted))
    return { low: clamp(low, range.low, 0), high: clamp(high, 0, range.high) }
  },
})
