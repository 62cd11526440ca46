import type { Placement, Quantizer } from '../placement/placement.js'
import type { Range } from '../ranges/affine.js'
import { clipHistogram, type Histogram } from '../ranges/histogram-counts.js'
import { estimateRange, type RangeEstimator } from '../ranges/range-estimator.js'
import type { Statistics } from '../statistics/statistics.js'
import { clipped, modeOf, plainAffine, type Scheme } from './assign-parameters.js'

export interface RefineRangesOptions extends Scheme {
  readonly placement: Placement
  readonly statistics: Statistics
  /** From `collectHistograms`; the same for all schemes and estimators. */
  readonly histograms: ReadonlyMap<string, Histogram>
  readonly estimatorOf: (quantizer: Quantizer) => RangeEstimator
}

/** Ranges that estimators with a second look choose, by value: for every quantizer whose range is not known, also where another one decides for now. */
export function refineRanges(options: RefineRangesOptions): ReadonlyMap<string, Range> {
  const { placement, statistics, histograms, estimatorOf } = options
  const refined = new Map<string, Range>()
  for (const quantizer of placement.quantizers.values()) {
    const { value, fixed, axis } = quantizer
    const estimator = estimatorOf(quantizer)
    const histogram = histograms.get(value)
    if (fixed !== undefined || axis !== undefined || estimator.refine === undefined || histogram === undefined) continue
    const { low, high } = clipped(estimateRange(estimator, statistics.ranges.get(value)!), quantizer)
    const range = { low: Math.min(low, 0), high: Math.max(high, 0) }
    refined.set(
      value,
      estimator.refine({
        histogram: clipHistogram(histogram, range),
        range,
        mode: modeOf(quantizer, options.mode),
        affineOf: candidate => plainAffine(clipped(candidate, quantizer), quantizer, options),
      }),
    )
  }
  return refined
}
