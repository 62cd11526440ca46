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
  /** What counts as one observation of a range: each sample (when absent), or each run of several samples. */
  readonly aggregation?: 'sample' | 'batch'
  /** Values whose mean per channel is needed, with the axis of the channels. */
  readonly means: readonly ChannelMeans[]
  /** Values whose range per channel is needed; absent = none. */
  readonly channels?: readonly ChannelWanted[]
}

export interface ChannelWanted {
  readonly value: string
  /** Axis of the channels, never negative. */
  readonly axis: number
}

/** Per channel of one value: what was seen over all samples. Each array has the length of the channel axis. */
export interface ChannelObserved {
  /** Smallest and largest of all samples. */
  readonly low: Float64Array
  readonly high: Float64Array
  /** Median over the samples of each sample's smallest and largest. */
  readonly medianLow: Float64Array
  readonly medianHigh: Float64Array
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
  /** By value: what `channels` asked for. */
  readonly channels: ReadonlyMap<string, ChannelObserved>
}
