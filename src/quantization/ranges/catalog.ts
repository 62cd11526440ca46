import { entropy } from './entropy.js'
import { histogram } from './histogram.js'
import { meanMinMax } from './mean-min-max.js'
import { meanNoOutliers } from './mean-no-outliers.js'
import { meanQuantile } from './mean-quantile.js'
import { medianMinMax } from './median-min-max.js'
import { medianNoOutliers } from './median-no-outliers.js'
import { minMax } from './min-max.js'
import { mse } from './mse.js'
import { quantile } from './quantile.js'
import type { RangeEstimator } from './range-estimator.js'

export const rangeEstimators = [
  entropy,
  histogram,
  meanMinMax,
  meanNoOutliers,
  meanQuantile,
  medianMinMax,
  medianNoOutliers,
  minMax,
  mse,
  quantile,
] as const satisfies readonly RangeEstimator[]
export type RangeEstimatorName = (typeof rangeEstimators)[number]['name']

export function rangeEstimator(name: RangeEstimatorName): RangeEstimator {
  return rangeEstimators.find(estimator => estimator.name === name)!
}
