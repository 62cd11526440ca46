import type { Tensor } from '../../graph/tensor/tensor.js'
import { defineMetric, type MetricTally } from './metric.js'
import { realValues } from './real-values.js'

/** Lowest signal-to-noise ratio at which an output without better metric counts as kept, and lowest mean cosine. */
export const signalLimits = { snrDb: 15, cosine: 0.99 } as const

/** Ratio given where there is no noise at all. */
const noNoiseDb = 300

/** Energies of two outputs. */
export interface SignalSums {
  /** Of float's. */
  readonly signal: number
  /** Of the other's. */
  readonly other: number
  /** Of their difference. */
  readonly noise: number
  /** Sum of products. */
  readonly dot: number
}

/** Outputs are of equal length: those of one model. */
export function compareSignals(float: Tensor, int8: Tensor): SignalSums {
  const wanted = realValues(float)
  const found = realValues(int8)
  let signal = 0
  let noise = 0
  let dot = 0
  let other = 0
  for (let i = 0; i < wanted.length; i += 1) {
    const a = wanted[i]!
    const b = found[i]!
    signal += a * a
    noise += (a - b) * (a - b)
    dot += a * b
    other += b * b
  }
  return { signal, other, noise, dot }
}

/** Energy of float outputs and of what int8 differs by, gathered item by item. */
export class Signal {
  #signal = 0
  #noise = 0
  #cosines = 0
  #amplitudes = 0

  add(float: Tensor, int8: Tensor): void {
    const sums = compareSignals(float, int8)
    this.#signal += sums.signal
    this.#noise += sums.noise
    const amplitude = Math.sqrt(Math.max(sums.signal, sums.other))
    this.#cosines += amplitude * cosineOf(sums)
    this.#amplitudes += amplitude
  }

  /** 10 log10 of the energy of float over that of the difference, all items together. */
  get snrDb(): number {
    return decibels(this.#signal, this.#noise)
  }

  /**
   * Mean over the items of the cosine between the two outputs, each weighed by the larger amplitude of the two: a map in which nothing is found has no direction
   * worth keeping, one in which int8 alone finds something counts in full.
   */
  get cosine(): number {
    return this.#amplitudes === 0 ? 1 : this.#cosines / this.#amplitudes
  }
}

/** 1 for two outputs of zeros alone. */
export const cosineOf = ({ signal, other, dot }: Pick<SignalSums, 'signal' | 'other' | 'dot'>): number =>
  signal === 0 && other === 0 ? 1 : dot / Math.max(Math.sqrt(signal * other), Number.MIN_VALUE)

/** 10 log10 of `signal` over `noise`. */
export function decibels(signal: number, noise: number): number {
  if (noise === 0) return noNoiseDb
  return signal === 0 ? -noNoiseDb : Math.min(noNoiseDb, 10 * Math.log10(signal / noise))
}

/**
 * `signal`: energy of the noise over that of float's output, all items together: 0.01 is 20 dB, 0.001 is 30 dB. Said as a share, so that a drop of it can be
 * allowed as of any metric; float's own is 0. Where it is the only judge, the limits are `signalLimits`.
 */
export const signal = defineMetric({ name: 'signal', kind: 'rate', needsLabels: false, ofFloat: true, start: noiseTally })

function noiseTally(): MetricTally {
  let signalEnergy = 0
  let noiseEnergy = 0
  return {
    add({ output, float }) {
      const { signal: energy, noise } = compareSignals(float, output)
      signalEnergy += energy
      noiseEnergy += noise
      return ratio(noise, energy)
    },
    value: () => ratio(noiseEnergy, signalEnergy),
  }
}

const ratio = (noise: number, energy: number): number => (noise === 0 ? 0 : noise / Math.max(energy, Number.MIN_VALUE))
