import { defineRangeEstimator } from './range-estimator.js'

/** Median in place of the mean of `mean-no-outliers` (quantization.md 3.2). It differs from `median-min-max` where the outliers lie at one side. */
export const medianNoOutliers = defineRangeEstimator({ name: 'median-no-outliers', needs: 'extremes', over: 'median-no-outliers' })
