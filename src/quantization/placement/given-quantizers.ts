import type { Node } from '../../graph/node.js'
import type { Affine, Range } from '../ranges/affine.js'
import type { Unit } from './unit.js'

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

/** Shares by which a range that was rounded to float32 may seem to go beyond a clip. */
const rounding = 1e-6

/**
 * The parameters with which saturation does what a Relu or Clip in front of `given` does, so that it can be folded; undefined where codes would reach beyond it.
 * Codes for values below a clip at zero are never used: without them the zero point is 0 and the scale stays as it is.
 */
export function givenBehind(given: Affine, clip: Range): Affine | undefined {
  const { scale, zeroPoint } = clip.low === 0 ? { ...given, zeroPoint: 0 } : given
  const within = -zeroPoint * scale >= clip.low * (1 + rounding) && (255 - zeroPoint) * scale <= clip.high * (1 + rounding)
  return within ? { scale, zeroPoint } : undefined
}

/** `given` with the same parameters behind operators that only move values, also where they stay float: their results lie on the same grid. */
export function givenBehindMoves(units: ReadonlyMap<Node, Unit>, given: GivenQuantizers): GivenQuantizers {
  const activations = new Map(given.activations)
  for (const { form, data, outputs } of units.values()) {
    const moved = form === 'move' ? activations.get(data[0] ?? '') : undefined
    if (moved !== undefined) for (const output of outputs) if (!activations.has(output)) activations.set(output, moved)
  }
  return { ...given, activations }
}

/**
 * Given parameters of every value that integer operators write, by value: behind a unit, else inside it, before what is folded. Operators that only move codes
 * hand theirs back to what they move: quantizing before them or after them is the same.
 */
export function givenOfUnits(units: ReadonlyMap<Node, Unit>, { activations }: GivenQuantizers): Map<string, Affine> {
  const given = new Map(activations)
  for (const unit of [...units.values()].reverse()) {
    if (unit.form === 'move') {
      const moved = unit.outputs.map(output => given.get(output)).find(affine => affine !== undefined)
      const [data] = unit.data
      if (moved !== undefined && data !== undefined && !given.has(data)) given.set(data, moved)
      continue
    }
    const inner = [unit.main, ...unit.folded].flatMap(({ outputs }) => outputs)
    const [output] = unit.outputs
    if (output === undefined) continue
    const own = given.get(output) ?? (unit.scaleShift === undefined ? inner.map(value => given.get(value)).find(Boolean) : undefined)
    const behind = own === undefined || unit.clip === undefined ? own : givenBehind(own, unit.clip)
    if (behind === undefined) given.delete(output)
    else given.set(output, behind)
  }
  return given
}
