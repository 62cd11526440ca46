import { defineRangeEstimator } from './range-estimator.js'

/** Mean over the samples of each sample's quantiles: POT's preset `quantile` (quantization.md 3.1), the tightest of these ranges. */
export const meanQuantile = defineRangeEstimator({ name: 'mean-quantile', needs: 'quantile', over: 'mean' })
