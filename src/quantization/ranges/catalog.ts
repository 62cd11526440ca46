import { meanMinMax } from './mean-min-max.js'
import { meanQuantile } from './mean-quantile.js'
import { minMax } from './min-max.js'
import { mse } from './mse.js'
import { quantile } from './quantile.js'
import type { RangeEstimator } from './range-estimator.js'

export const rangeEstimators = [meanMinMax, meanQuantile, minMax, mse, quantile] as const satisfies readonly RangeEstimator[]
export type RangeEstimatorName = (typeof rangeEstimators)[number]['name']

export function rangeEstimator(name: RangeEstimatorName): RangeEstimator {
  return rangeEstimators.find(estimator => estimator.name === name)!
}
