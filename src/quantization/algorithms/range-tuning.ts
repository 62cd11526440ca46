import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Quantizer } from '../placement/placement.js'
import type { Range } from '../ranges/affine.js'
import { StagedRun } from '../statistics/staged-run.js'
import type { Statistics } from '../statistics/statistics.js'
import { clipped, modeOf, plainAffine, type Scheme } from './assign-parameters.js'
import { RangeTrials, sliceBehind } from './range-trials.js'
import { feedsOf, type WalkOptions, walkedSamples } from './walk-layers.js'

export interface TuneRangesOptions extends Omit<WalkOptions, 'lowered'>, Scheme {
  readonly statistics: Statistics
}

/** Shares of the observed ends that are tried: the low one also far in, since what lies below may be flat (ELU, HardSwish). */
const highFactors = [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
const lowFactors = [...highFactors, 0.3, 0.2, 0.12, 0.07]
/** Steps around the best of them. */
const refinements = [-0.05, 0.05, -0.025, 0.025]

/**
 * Step sizes of activations against the float model: for every quantizer by itself, the ends that leave the least noise over signal where the next products
 * give their results, behind everything between (activations, sums, pooling). One quantizer after the other, in the float graph: what comes out does not hang
 * on an order. A wide range costs steps, a narrow one cuts values off; values that occur often (a background) pull the steps onto themselves.
 * @returns observed ends to quantize by, by the value of a quantizer whose range decides (`Quantizer.root`)
 * @throws ERR_ABORTED, ERR_ENGINE_*
 */
export async function tuneRanges(options: TuneRangesOptions): Promise<ReadonlyMap<string, Range>> {
  const { model, shapes, placement, statistics, samples, batch, engine, threads, onProgress, signal } = options
  const feeds = await feedsOf(samples, walkedSamples(shapes, options.sampleCount), batch)
  const quantizers = [...placement.quantizers.values()].filter(
    ({ value, root, axis, given }) => value === root && axis === undefined && given !== true,
  )
  const slices = quantizers.map(quantizer => sliceBehind(model.graph, placement, quantizer))
  const asked = countsOf(slices.flatMap(({ entering }) => entering))
  const abort = signal === undefined ? {} : { signal }
  const float = new StagedRun({ model, feeds, targets: [...asked.keys()], engine, threads, ...abort })
  const ranges = new Map<string, Range>()
  for (const [index, quantizer] of quantizers.entries()) {
    const slice = slices[index]!
    const values = new Map<string, readonly Tensor[]>()
    for (const value of slice.entering) values.set(value, await float.valuesOf(value))
    const observed = quantizer.fixed === undefined ? statistics.ranges.get(quantizer.value)?.['extremes-outermost'] : unitRange
    if (slice.ends.length > 0 && observed !== undefined) {
      const entering = feeds.map((_, run) => Object.fromEntries([...values].map(([value, tensors]) => [value, tensors[run]!])))
      const trials = await RangeTrials.open({ model, slice, feeds: entering, engine, threads })
      try {
        ranges.set(quantizer.value, await search(quantizer, observed, { ...options, trials }))
      } finally {
        await trials.close()
      }
    }
    for (const value of slice.entering) {
      asked.set(value, asked.get(value)! - 1)
      if (asked.get(value) === 0) float.release(value)
    }
    onProgress?.((index + 1) / quantizers.length)
  }
  return ranges
}

/** What Softmax and Sigmoid give. */
const unitRange: Range = { low: 0, high: 1 }

function countsOf(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}

/** Coordinate search over the two ends, or over one factor where both must move together. The widest of equals wins. */
async function search(quantizer: Quantizer, observed: Range, scheme: Scheme & { readonly trials: RangeTrials }): Promise<Range> {
  // What a folded activation or the reader cuts off is no part of the range; a folded scale and shift is, and stays in it.
  const { low, high } = clipped(observed, quantizer)
  const rangeAt = (lowShare: number, highShare: number): Range => ({ low: low * lowShare, high: high * highShare })
  const errorOf = (range: Range) => scheme.trials.errorOf(plainAffine(clipped(range, quantizer), quantizer, scheme))
  let best = { low: 1, high: 1, error: await errorOf({ low, high }) }
  const attempt = async (lowShare: number, highShare: number): Promise<void> => {
    if (Math.min(lowShare, highShare) <= 0 || Math.max(lowShare, highShare) > 1) return
    const error = await errorOf(rangeAt(lowShare, highShare))
    if (error < best.error) best = { low: lowShare, high: highShare, error }
  }
  if (modeOf(quantizer, scheme.mode) === 'symmetric' && low < 0) {
    for (const factor of highFactors) await attempt(factor, factor)
    const { low: share } = best
    for (const step of refinements) await attempt(share + step, share + step)
    return rangeAt(best.low, best.high)
  }
  if (low < 0) for (const factor of lowFactors) await attempt(factor, best.high)
  if (high > 0) for (const factor of highFactors) await attempt(best.low, factor)
  for (const end of ['low', 'high'] as const) {
    if (end === 'low' ? low >= 0 : high <= 0) continue
    const { low: lowShare, high: highShare } = best
    for (const step of refinements) await attempt(end === 'low' ? lowShare + step : lowShare, end === 'high' ? highShare + step : highShare)
  }
  return rangeAt(best.low, best.high)
}
