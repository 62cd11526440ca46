import { defineRangeEstimator } from './range-estimator.js'

/** Mean over the samples of the quantiles that leave a share of 1e-4 (setting `quantile`) of a sample's elements outside at each end (POT, 3.2). */
export const quantile = defineRangeEstimator({ name: 'quantile', needs: 'quantile', over: 'mean' })
