import type { ActivationMode, Affine, Range } from './affine.js'
import type { Histogram } from './histogram-counts.js'

/** What is reduced from one sample of a tensor. `quantile` cuts the same share of elements at either end. */
export type Reducer = 'extremes' | 'quantile'
/** How the figures of the samples become one. Without outliers: without the smallest and largest hundredth of the figures. */
export type Aggregator = 'outermost' | 'mean' | 'median' | 'mean-no-outliers' | 'median-no-outliers'

/** What was gathered of one tensor: a range per reducer and aggregator, over all samples. */
export type Observed = Readonly<Record<`${Reducer}-${Aggregator}`, Range>>

/** What a second look at one tensor has to choose by. */
export interface SecondLook {
  /** Where the values lie, what a folded Relu or Clip cuts off counted at its limit. */
  readonly histogram: Histogram
  /** The range as it was gathered, and 0, which every quantizer has: the widest to choose. */
  readonly range: Range
  /** `symmetric` also for int8 quantizers, which are so under either scheme. */
  readonly mode: ActivationMode
  /** The quantizer that a range would give. */
  readonly affineOf: (range: Range) => Affine
}

/** How the range of an activation follows from what was observed of it over the calibration samples. */
export interface RangeEstimator {
  readonly name: string
  readonly needs: Reducer
  readonly over: Aggregator
  /** Chooses within the gathered range by a histogram of some of the samples; absent = the range as it was gathered. */
  readonly refine?: (look: SecondLook) => Range
}

export function defineRangeEstimator<const T extends RangeEstimator>(estimator: T): T {
  return Object.freeze(estimator)
}

export function estimateRange({ needs, over }: RangeEstimator, observed: Observed): Range {
  return observed[`${needs}-${over}`]
}
