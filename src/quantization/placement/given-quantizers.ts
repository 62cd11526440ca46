import type { Affine } from '../ranges/affine.js'

/** Weights that arrive quantized: value = scales[channel] * codes, symmetric, zero point 0. */
export interface GivenWeights {
  readonly codes: Int8Array
  readonly scales: Float32Array
  /** Axis of the channels in the weight's layout; undefined = one scale for the whole tensor. */
  readonly axis: number | undefined
}

/**
 * Quantizers that a model brings along from training (QAT): they are honoured to the last bit, never calibrated again; what is missing is added. Names are
 * those of the float model that is left when they are taken out.
 */
export interface GivenQuantizers {
  /** By the value that they stand behind: parameters on the uint8 grid (codes of int8 shifted by 128). */
  readonly activations: ReadonlyMap<string, Affine>
  /** By the name of the initializer. */
  readonly weights: ReadonlyMap<string, GivenWeights>
}

export const noGivenQuantizers: GivenQuantizers = Object.freeze({ activations: new Map(), weights: new Map() })
