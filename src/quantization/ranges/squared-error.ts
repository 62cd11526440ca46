import type { Affine } from './affine.js'
import type { Histogram } from './histogram-counts.js'

/**
 * Sum of squared differences between the values of `histogram` and what uint8 codes make of them. A bin counts as its centre; its width adds width^2 / 12 per
 * value where codes do not saturate, which is what a uniform spread within a bin has on average. The bin of 0 is exact.
 */
export function squaredError({ counts, width, zero }: Histogram, { scale, zeroPoint }: Affine): number {
  let error = 0
  let spread = 0
  for (let bin = 0; bin < counts.length; bin += 1) {
    const count = counts[bin]!
    if (count === 0) continue
    const value = (bin - zero) * width
    const code = Math.round(value / scale)
    if (code + zeroPoint < 0) error += count * (value + zeroPoint * scale) ** 2
    else if (code + zeroPoint > 255) error += count * (value - (255 - zeroPoint) * scale) ** 2
    else {
      error += count * (value - code * scale) ** 2
      if (bin !== zero) spread += count
    }
  }
  return error + (spread * width ** 2) / 12
}
