import type { Observed, Reducer } from '../ranges/range-estimator.js'

/** What one pass over the samples is to gather. */
export interface StatisticsWanted {
  /** Values whose range is needed. */
  readonly ranges: readonly string[]
  /** Those of them that never lie below 0: their low end is taken as 0 and not looked for. */
  readonly nonNegative: ReadonlySet<string>
  /** Which ends of each sample's values: quantiles cost a sort of every tensor, so they are gathered only when asked for. */
  readonly reducers: readonly Reducer[]
  /** Share of elements beyond each quantile, 0..0.1. */
  readonly quantile: number
  /** Values whose mean per channel is needed, with the axis of the channels. */
  readonly means: readonly ChannelMeans[]
}

export interface ChannelMeans {
  readonly value: string
  readonly axis: number
}

/** What was gathered. */
export interface Statistics {
  readonly sampleCount: number
  readonly ranges: ReadonlyMap<string, Observed>
  /** Mean per channel over samples and all other axes, by value. */
  readonly means: ReadonlyMap<string, Float64Array>
}
