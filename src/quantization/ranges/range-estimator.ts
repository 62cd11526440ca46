import type { Range } from './affine.js'

/** What is reduced from one sample of a tensor. `quantile` cuts the same share of elements at either end. */
export type Reducer = 'extremes' | 'quantile'
/** How the figures of the samples become one. */
export type Aggregator = 'outermost' | 'mean'

/** What was gathered of one tensor: a range per reducer and aggregator, over all samples. */
export type Observed = Readonly<Record<`${Reducer}-${Aggregator}`, Range>>

/** How the range of an activation follows from what was observed of it over the calibration samples. */
export interface RangeEstimator {
  readonly name: string
  readonly needs: Reducer
  readonly over: Aggregator
  /** Factors of both ends to choose from by the error that each leaves; absent = the range as it was gathered. */
  readonly shrink?: readonly number[]
}

export function defineRangeEstimator<const T extends RangeEstimator>(estimator: T): T {
  return Object.freeze(estimator)
}

/** @param factor one of `shrink` */
export function estimateRange({ needs, over }: RangeEstimator, observed: Observed, factor = 1): Range {
  const { low, high } = observed[`${needs}-${over}`]
  return { low: low * factor, high: high * factor }
}
