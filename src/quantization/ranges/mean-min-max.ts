import { defineRangeEstimator } from './range-estimator.js'

/**
 * Mean over the samples of each sample's minimum and maximum: a rare outlier moves the range by 1/n instead of deciding it.
 * POT's default for activations per tensor (quantization.md 3.1).
 */
export const meanMinMax = defineRangeEstimator({ name: 'mean-min-max', needs: 'extremes', over: 'mean' })
