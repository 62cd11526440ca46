import { defineRangeEstimator } from './range-estimator.js'

/**
 * The range of `min-max`, shrunk to where quantizing the tensor costs the least squared error on a few samples: rare large values are given up where that
 * lets the many small ones have a finer step (quantization.md 3.4).
 */
export const mse = defineRangeEstimator({ name: 'mse', needs: 'extremes', over: 'outermost', shrink: [1, 0.9, 0.8, 0.7, 0.6, 0.45] })
