import { type ObserveOptions, observe } from './observe.js'
import type { Statistics } from './statistics.js'

export interface ObserveQuantilesOptions extends Omit<ObserveOptions, 'wanted' | 'reference' | 'sampleCount'> {
  /** What was observed before: the same values are looked at, on as many samples. */
  readonly statistics: Pick<Statistics, 'ranges' | 'sampleCount'>
  /** Share of elements beyond each quantile, 0..0.1. */
  readonly quantile: number
  readonly aggregation?: 'sample' | 'batch'
}

/**
 * Ranges of the same values with their quantiles, in a pass of its own over one sample in four: what `observe` finds when it is asked for both at once, for
 * searches that mostly end before an estimator asks for quantiles. The extremes in it are unknown and not to be read.
 * @throws ERR_QUANT_RANGE, ERR_ABORTED
 */
export async function observeQuantiles({
  statistics,
  quantile,
  aggregation,
  ...options
}: ObserveQuantilesOptions): Promise<Statistics['ranges']> {
  const ranges = [...statistics.ranges.keys()]
  if (ranges.length === 0) return statistics.ranges
  const wanted = {
    ranges,
    // Where 0 was the low end it is the low quantile too, or stands for one that is cut off there.
    nonNegative: new Set(ranges.filter(value => statistics.ranges.get(value)!['extremes-outermost'].low === 0)),
    reducers: ['quantile'],
    quantile,
    means: [],
    ...(aggregation === undefined ? {} : { aggregation }),
  } as const
  const reference = { output: options.model.graph.outputs[0]!.name, count: 0 }
  return (await observe({ ...options, sampleCount: statistics.sampleCount, wanted, reference })).statistics.ranges
}
