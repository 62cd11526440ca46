import { QuantdError } from '../../errors.js'
import type { Range } from '../ranges/affine.js'
import { keptEvery } from './kept-samples.js'
import { medianOf } from './median.js'
import type { ChannelObserved } from './statistics.js'

/** Figures that all channels together may keep for their medians: 16 MiB of float32. */
const keptFigures = 4 * 2 ** 20

export interface ChannelAccumulatorOptions {
  /** Values in the order in which their vectors come, with the length of their channel axis. */
  readonly channels: readonly { readonly value: string; readonly size: number }[]
  readonly nonNegative: ReadonlySet<string>
  /** Samples that will be added at most. */
  readonly sampleCount: number
}

/** Figures of one value: extremes over the samples, and those of the kept samples one after the other. */
interface Running {
  readonly value: string
  readonly size: number
  readonly low: Float64Array
  readonly high: Float64Array
  readonly keptLows: Float32Array[]
  readonly keptHighs: Float32Array[]
}

/** Takes the extremes per channel of each run. Medians come of evenly chosen samples, so that memory has a bound whatever their number. */
export class ChannelAccumulator {
  readonly #running: readonly Running[]
  readonly #nonNegative: ReadonlySet<string>
  readonly #every: number

  constructor({ channels, nonNegative, sampleCount }: ChannelAccumulatorOptions) {
    const figures = channels.reduce((sum, { value, size }) => sum + (nonNegative.has(value) ? size : 2 * size), 0)
    this.#every = keptEvery(sampleCount, Math.floor(keptFigures / Math.max(1, figures)))
    this.#nonNegative = nonNegative
    this.#running = channels.map(({ value, size }) => ({
      value,
      size,
      low: new Float64Array(size).fill(Number.POSITIVE_INFINITY),
      high: new Float64Array(size).fill(Number.NEGATIVE_INFINITY),
      keptLows: [],
      keptHighs: [],
    }))
  }

  /**
   * One run of the samples `indices`. `vector` holds, value after value, the lows of its channels sample by sample, then the highs.
   * @throws ERR_QUANT_RANGE
   */
  add(indices: readonly number[], vector: Float32Array): void {
    let at = 0
    for (const running of this.#running) {
      const length = indices.length * running.size
      const lows = vector.subarray(at, at + length)
      const highs = vector.subarray(at + length, at + 2 * length)
      at += 2 * length
      const bounded = this.#nonNegative.has(running.value)
      indices.forEach((index, row) => {
        const part = [row * running.size, (row + 1) * running.size] as const
        this.#take(running, index, { lows: bounded ? undefined : lows.subarray(...part), highs: highs.subarray(...part) })
      })
    }
  }

  #take({ value, size, low, high, keptLows, keptHighs }: Running, sample: number, { lows, highs }: SampleEnds): void {
    for (let channel = 0; channel < size; channel += 1) {
      const [lowest, highest] = [lows?.[channel] ?? 0, highs[channel]!]
      if (!Number.isFinite(lowest) || !Number.isFinite(highest)) throw notFinite(value, { sample, channel, low: lowest, high: highest })
      if (lowest < low[channel]!) low[channel] = lowest
      if (highest > high[channel]!) high[channel] = highest
    }
    if (sample % this.#every !== 0) return
    if (lows !== undefined) keptLows.push(lows.slice())
    keptHighs.push(highs.slice())
  }

  finish(): Map<string, ChannelObserved> {
    return new Map(
      this.#running.map(({ value, size, low, high, keptLows, keptHighs }) => [
        value,
        { low, high, medianLow: medians(keptLows, size), medianHigh: medians(keptHighs, size) },
      ]),
    )
  }
}

/** Per channel of one sample; no lows where nothing lies below 0. */
interface SampleEnds {
  readonly lows: Float32Array | undefined
  readonly highs: Float32Array
}

/** Channel by channel; 0 where nothing was kept, which is where nothing lies below 0. */
const medians = (rows: readonly Float32Array[], size: number): Float64Array =>
  Float64Array.from({ length: size }, (_, channel) => (rows.length === 0 ? 0 : medianOf(rows.map(row => row[channel]!))))

const notFinite = (value: string, details: { readonly sample: number; readonly channel: number } & Range) =>
  new QuantdError('ERR_QUANT_RANGE', `value '${value}' is not finite on calibration sample ${details.sample}`, {
    details: { value, ...details },
  })
