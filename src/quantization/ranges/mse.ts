import type { Range } from './affine.js'
import { defineRangeEstimator, type SecondLook } from './range-estimator.js'
import { searchEnds, searchMagnitude } from './shrink-range.js'
import { squaredError } from './squared-error.js'

const errorOf = ({ histogram, affineOf }: SecondLook, range: Range) => squaredError(histogram, affineOf(range))

/**
 * The range of `min-max`, shrunk to where quantizing the tensor costs the least squared error on some of the samples: rare large values are given up where
 * that lets the many small ones have a finer step. Either end by itself where the scheme is asymmetric (quantization.md 3.4).
 */
export const mse = defineRangeEstimator({
  name: 'mse',
  needs: 'extremes',
  over: 'outermost',
  refine: look =>
    look.mode === 'symmetric' || look.range.low >= 0 || look.range.high <= 0 ? searchMagnitude(look, errorOf) : searchEnds(look, errorOf),
})
