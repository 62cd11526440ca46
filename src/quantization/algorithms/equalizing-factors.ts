import type { ChannelGroup } from './channel-groups.js'
import { type Cells, firstInput, type LinearWeights } from './linear-weights.js'

export interface EqualizingOptions {
  readonly group: Pick<ChannelGroup, 'channels' | 'readers'>
  /** Largest magnitude of each channel over all values of the group that a quantizer stands behind. */
  readonly magnitudes: Float64Array
  readonly cellsOf: (linear: LinearWeights) => Cells
  /** Shares of the activations' spread that are moved into the weights, 0..1: each is tried. Absent: four of them. */
  readonly exponents?: readonly number[]
}

export interface EqualizingFactors {
  /** What the channels of the activations are divided by and the weights of the readers multiplied by. */
  readonly factors: Float64Array
  /** Noise that quantization adds without and with them, summed over the outputs of the readers, relative to their signals. */
  readonly noiseBefore: number
  readonly noiseAfter: number
}

const allExponents = [0.25, 0.5, 0.75, 1] as const
const mostRounds = 8
/** Share of the noise that a round must take to be worth another one, and all rounds to be worth it: half a decibel. */
const leastGain = 0.1
/** Mean square of an activation over the square of its largest magnitude: 0.02 to 0.1 behind the activations of real networks. */
const meanSquare = 1 / 16
/** A channel that hardly ever fires is not blown up by more than this: data that was not seen may fire it. */
const quietest = 1e-3

/**
 * The per-channel factors that leave the least noise behind the readers of a group; undefined where they would gain next to nothing. Weights that make the group have
 * a scale per output channel and lose nothing by a factor, so what is balanced is the one scale of the activations against the weights that read them:
 *   factor[c] = a[c]^e / w[c]^(1 - e)    a = magnitude of the activation, w = largest |weight| that reads it, relative to the largest of its output channel
 * which is SmoothQuant's form (Xiao et al. 2022, eq. 4) on whole groups, with the exponent e chosen by the noise that uniform rounding has: step^2 / 12; repeated on
 * its own result until that gains no more. Equalizing weights against weights (Nagel et al. 2019, eq. 11) needs no data and gains less: fashion-outlier 33.2 dB
 * against 36.9, fashion-resnet 33.2 against 37.3, fashion-elu 29.9 against 30.2 (without either: 10.3, 33.4, 30.2; asymmetric, min-max).
 */
export function equalizingFactors(options: EqualizingOptions): EqualizingFactors | undefined {
  const { group, magnitudes, exponents = allExponents } = options
  const loudest = magnitudes.reduce((most, value) => Math.max(most, value), 0)
  if (!(loudest > 0) || !Number.isFinite(loudest)) return undefined
  let factors: Float64Array = new Float64Array(group.channels).fill(1)
  const noiseBefore = noiseBehind(options, factors)
  let noise = noiseBefore
  for (let round = 0; round < mostRounds; round += 1) {
    const found = exponents.map(exponent => refined(options, { factors, exponent }))
    const noises = found.map(each => noiseBehind(options, each))
    const least = Math.min(...noises)
    if (!(least < noise * (1 - leastGain))) break
    factors = found[noises.indexOf(least)]!
    noise = least
  }
  return noise < noiseBefore ? { factors, noiseBefore, noiseAfter: noise } : undefined
}

/** `factors` times those that `exponent` gives for what they leave. */
function refined(
  { group, magnitudes, cellsOf }: EqualizingOptions,
  { factors, exponent }: { factors: Float64Array; exponent: number },
): Float64Array {
  const weights = relativeWeights({ group, cellsOf }, factors)
  const levels = magnitudes.map((magnitude, c) => magnitude / factors[c]!)
  const loudest = levels.reduce((most, value) => Math.max(most, value), 0)
  return aroundMedian(
    levels.map((level, c) =>
      level > 0 && weights[c]! > 0 ? (factors[c]! * Math.max(level, loudest * quietest) ** exponent) / weights[c]! ** (1 - exponent) : 0,
    ),
  )
}

/** `factors` divided by their median, so that magnitudes stay what they are on the whole; channels without one (0) are left as they are. */
function aroundMedian(factors: Float64Array): Float64Array {
  const live = factors.filter(factor => factor > 0).sort()
  const median = live[live.length >> 1] ?? 1
  return factors.map(factor => (factor > 0 ? factor / median : 1))
}

/** Per channel of the group, the largest weight that reads it over the largest weight of the same output channel: 1 = it sets the scale of its row. */
function relativeWeights({ group, cellsOf }: Pick<EqualizingOptions, 'group' | 'cellsOf'>, factors: Float64Array): Float64Array {
  const weights = new Float64Array(group.channels)
  for (const { linear, repeat } of group.readers) {
    const { largest } = cellsOf(linear)
    for (let o = 0, cell = 0; o < linear.outputs; o += 1, cell += linear.seen) {
      const first = firstInput(linear, o)
      let top = 0
      for (let j = 0; j < linear.seen; j += 1) top = Math.max(top, largest[cell + j]! * factors[Math.floor((first + j) / repeat)]!)
      if (top === 0) continue
      for (let j = 0; j < linear.seen; j += 1) {
        const c = Math.floor((first + j) / repeat)
        weights[c] = Math.max(weights[c]!, (largest[cell + j]! * factors[c]!) / top)
      }
    }
  }
  return weights
}

/**
 * Noise over signal of each output channel of the readers, summed: rounding of the activations times the weights, and rounding of the weights times the activations.
 * Relative to the signal, so that what the next group does to the outputs does not matter here: groups are independent of each other.
 */
function noiseBehind({ group, magnitudes, cellsOf }: EqualizingOptions, factors: Float64Array): number {
  let loudest = 0
  for (let c = 0; c < magnitudes.length; c += 1) loudest = Math.max(loudest, magnitudes[c]! / factors[c]!)
  const dataStep = loudest / 255
  let noise = 0
  for (const { linear, repeat } of group.readers) {
    const { largest, squares } = cellsOf(linear)
    for (let o = 0, cell = 0; o < linear.outputs; o += 1) {
      const first = firstInput(linear, o)
      let [signal, fromData, top, energy] = [0, 0, 0, 0]
      for (let j = 0; j < linear.seen; j += 1, cell += 1) {
        const c = Math.floor((first + j) / repeat)
        const factor = factors[c]!
        const magnitude = magnitudes[c]!
        signal += squares[cell]! * magnitude * magnitude * meanSquare
        fromData += squares[cell]! * factor * factor
        top = Math.max(top, largest[cell]! * factor)
        energy += (magnitude / factor) ** 2 * meanSquare * linear.kernel
      }
      if (signal > 0) noise += (dataStep ** 2 * fromData + (top / 127) ** 2 * energy) / (12 * signal)
    }
  }
  return noise
}
