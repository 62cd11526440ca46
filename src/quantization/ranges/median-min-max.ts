import { defineRangeEstimator } from './range-estimator.js'

/** Median over the samples of each sample's minimum and maximum: half of the samples are clipped at either end, and no outlier moves it (quantization.md 3.2). */
export const medianMinMax = defineRangeEstimator({ name: 'median-min-max', needs: 'extremes', over: 'median' })
