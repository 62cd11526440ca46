import type { Aggregator } from '../ranges/range-estimator.js'
import { medianOf } from './median.js'

/** Share of the figures at either end that count as outliers (quantization.md 3.2: POT's alpha). */
const outlierShare = 0.01

/** Figures of the kept samples under an aggregator that needs them one by one. NaN of none. */
export function aggregateKept(figures: readonly number[], over: Exclude<Aggregator, 'outermost' | 'mean'>): number {
  if (over === 'median') return medianOf(figures)
  const sorted = Float64Array.from(figures).sort()
  const [low, high] = [quantileOf(sorted, outlierShare), quantileOf(sorted, 1 - outlierShare)]
  const within = sorted.filter(figure => figure >= low && figure <= high)
  return over === 'median-no-outliers' ? medianOf(within) : within.reduce((sum, figure) => sum + figure, 0) / within.length
}

/** The quantile of sorted figures, linear between neighbours: numpy's default, as NNCF takes it. */
function quantileOf(sorted: Float64Array, share: number): number {
  const at = (sorted.length - 1) * share
  const below = sorted[Math.floor(at)]!
  return below + (sorted[Math.ceil(at)]! - below) * (at - Math.floor(at))
}
