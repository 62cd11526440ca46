import { QuantdError } from '../../errors.js'
import type { Shapes } from '../placement/shapes.js'
import type { Range } from '../ranges/affine.js'
import type { Aggregator, Observed, Reducer } from '../ranges/range-estimator.js'
import { ChannelAccumulator } from './accumulate-channels.js'
import { aggregateKept } from './aggregate.js'
import type { RunVectors } from './figures.js'
import { keptEvery } from './kept-samples.js'
import type { ChannelWanted, Statistics, StatisticsWanted } from './statistics.js'

/** Running figures of one value under one reducer. Sums are float64. */
interface Running {
  lowest: number
  highest: number
  lowSum: number
  highSum: number
  count: number
  /** Figures of evenly chosen observations, for the aggregators that need them one by one. */
  readonly keptLows: number[]
  readonly keptHighs: number[]
}

export interface AccumulatorOptions {
  readonly wanted: StatisticsWanted
  readonly shapes: Shapes
  /** Samples that will be added at most. */
  readonly sampleCount: number
}

/** Takes the vectors that the reductions give per sample, keeps sums and extremes: its size hangs on the model, not on the samples. */
export class Accumulator {
  readonly #wanted: StatisticsWanted
  readonly #running: Readonly<Record<Reducer, readonly Running[]>>
  /** Sizes of the wanted means, in order. */
  readonly #channels: readonly number[]
  readonly #means: Float64Array
  readonly #channelRanges: ChannelAccumulator
  readonly #keptEvery: number
  #count = 0

  constructor({ wanted, shapes, sampleCount }: AccumulatorOptions) {
    const sizeOf = ({ value, axis }: ChannelWanted) => shapes.get(value)![axis]!
    this.#wanted = wanted
    this.#channels = wanted.means.map(sizeOf)
    this.#means = new Float64Array(this.#channels.reduce((sum, size) => sum + size, 0))
    this.#channelRanges = new ChannelAccumulator({
      channels: (wanted.channels ?? []).map(channel => ({ value: channel.value, size: sizeOf(channel) })),
      nonNegative: wanted.nonNegative,
      sampleCount,
    })
    this.#keptEvery = keptEvery(sampleCount)
    const fresh = () => wanted.ranges.map(freshRunning)
    this.#running = { extremes: fresh(), quantile: fresh() }
  }

  /**
   * One run of the samples `indices`: per reducer, if the run has it, the lows of a value sample by sample, then its highs, value after value in the order of `wanted.ranges`;
   * means over the run, one value after the other; ranges of channels as `ChannelAccumulator.add` takes them.
   * @throws ERR_QUANT_RANGE
   */
  add(indices: readonly number[], vectors: RunVectors): void {
    const sampleCount = indices.length
    for (const reducer of ['extremes', 'quantile'] as const) {
      const vector = vectors[reducer]
      if (vector !== undefined) this.#addRanges(reducer, vector, indices)
    }
    this.#count += sampleCount
    if (vectors.channels !== undefined) this.#channelRanges.add(indices, vectors.channels)
    if (vectors.means === undefined) return
    for (let i = 0; i < vectors.means.length; i += 1) {
      const mean = vectors.means[i]!
      // Minimum and maximum pass over NaN, a mean does not.
      if (!Number.isFinite(mean)) throw this.#meanNotFinite(i, mean)
      this.#means[i]! += sampleCount * mean
    }
  }

  #addRanges(reducer: Reducer, vector: Float32Array, indices: readonly number[]): void {
    const sampleCount = indices.length
    const whole = this.#wanted.aggregation === 'batch'
    this.#running[reducer].forEach((running, index) => {
      const bounded = this.#wanted.nonNegative.has(this.#wanted.ranges[index]!)
      let [batchLow, batchHigh] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
      for (let sample = 0; sample < sampleCount; sample += 1) {
        const low = bounded ? 0 : vector[2 * index * sampleCount + sample]!
        const high = vector[(2 * index + 1) * sampleCount + sample]!
        if (!Number.isFinite(low) || !Number.isFinite(high)) throw this.#notFinite(index, indices[sample]!, { low, high })
        if (!whole) this.#observe(running, low, high)
        batchLow = Math.min(batchLow, low)
        batchHigh = Math.max(batchHigh, high)
      }
      if (whole && sampleCount > 0) this.#observe(running, batchLow, batchHigh)
    })
  }

  #observe(running: Running, low: number, high: number): void {
    running.lowest = Math.min(running.lowest, low)
    running.highest = Math.max(running.highest, high)
    running.lowSum += low
    running.highSum += high
    if (running.count % this.#keptEvery === 0) {
      running.keptLows.push(low)
      running.keptHighs.push(high)
    }
    running.count += 1
  }

  #meanNotFinite(position: number, mean: number): QuantdError {
    let at = position
    const index = this.#channels.findIndex(size => {
      at -= size
      return at < 0
    })
    const { value } = this.#wanted.means[index]!
    return new QuantdError('ERR_QUANT_RANGE', `value '${value}' is not finite on a calibration sample`, {
      details: { value, mean },
    })
  }

  #notFinite(index: number, sample: number, range: Range): QuantdError {
    const value = this.#wanted.ranges[index]!
    return new QuantdError('ERR_QUANT_RANGE', `value '${value}' is not finite on calibration sample ${sample}`, {
      details: { value, ...range },
    })
  }

  finish(): Statistics {
    const ranges = new Map(this.#wanted.ranges.map((value, index) => [value, this.#observed(index)]))
    const means = new Map<string, Float64Array>()
    let at = 0
    this.#wanted.means.forEach(({ value }, index) => {
      const length = this.#channels[index]!
      means.set(
        value,
        this.#means.subarray(at, at + length).map(sum => sum / this.#count),
      )
      at += length
    })
    return { sampleCount: this.#count, ranges, means, channels: this.#channelRanges.finish() }
  }

  #observed(index: number): Observed {
    const figures = (reducer: Reducer) => {
      const asked = this.#wanted.reducers.includes(reducer) ? reducer : 'extremes'
      const { lowest, highest, lowSum, highSum, count, keptLows, keptHighs } = this.#running[asked][index]!
      const kept = (over: Exclude<Aggregator, 'outermost' | 'mean'>): Range => ({
        low: aggregateKept(keptLows, over),
        high: aggregateKept(keptHighs, over),
      })
      return {
        [`${reducer}-outermost`]: { low: lowest, high: highest },
        [`${reducer}-mean`]: { low: lowSum / count, high: highSum / count },
        [`${reducer}-median`]: kept('median'),
        [`${reducer}-mean-no-outliers`]: kept('mean-no-outliers'),
        [`${reducer}-median-no-outliers`]: kept('median-no-outliers'),
      } as { [A in Aggregator as `${typeof reducer}-${A}`]: Range }
    }
    return { ...figures('extremes'), ...figures('quantile') } as Observed
  }
}

const freshRunning = (): Running => ({
  lowest: Number.POSITIVE_INFINITY,
  highest: Number.NEGATIVE_INFINITY,
  lowSum: 0,
  highSum: 0,
  count: 0,
  keptLows: [],
  keptHighs: [],
})
