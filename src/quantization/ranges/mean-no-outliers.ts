import { defineRangeEstimator } from './range-estimator.js'

/**
 * Mean over the samples of each sample's minimum and maximum, without the smallest and largest hundredth of them: broken captures do not move it
 * (quantization.md 3.2; POT's alpha of 0.01).
 */
export const meanNoOutliers = defineRangeEstimator({ name: 'mean-no-outliers', needs: 'extremes', over: 'mean-no-outliers' })
