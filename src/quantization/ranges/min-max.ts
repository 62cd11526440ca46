import { defineRangeEstimator } from './range-estimator.js'

/** The smallest and the largest value of all samples: nothing that was seen is clipped, and one outlier decides the step (quantization.md 3.1). */
export const minMax = defineRangeEstimator({ name: 'min-max', needs: 'extremes', over: 'outermost' })
