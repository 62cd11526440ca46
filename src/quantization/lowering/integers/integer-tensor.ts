import { invariant } from '../../../errors.js'

/**
 * A tensor of exact numbers: value = integers[i] * 2^exponent / divisor. Integers stay below 2^53 in magnitude, where doubles hold each of them; what adders and
 * multipliers of a chip do in fixed width is the same as long as theirs do not overflow.
 */
export interface IntegerTensor {
  readonly shape: readonly number[]
  readonly integers: Float64Array
  readonly exponent: number
  /** What a mean leaves to divide by, until it is rounded to codes; 1 elsewhere. */
  readonly divisor: number
}

/** The exponent of a step that is a power of two. */
export function exponentOf(step: number): number {
  const exponent = Math.log2(step)
  invariant(Number.isInteger(exponent), `step ${step} is no power of two`)
  return exponent
}

/** The same values in steps of 2^exponent, no larger than their own: a shift to the left. */
export function inStepsOf({ integers, ...tensor }: IntegerTensor, exponent: number): IntegerTensor {
  invariant(exponent <= tensor.exponent, 'values are not whole in larger steps')
  const factor = 2 ** (tensor.exponent - exponent)
  return { ...tensor, integers: factor === 1 ? integers : integers.map(value => value * factor), exponent }
}

/** numerator / denominator to the nearest integer, halves to the even one; both are integers, the denominator above 0. */
export function divideHalfEven(numerator: number, denominator: number): number {
  const quotient = Math.floor(numerator / denominator)
  const twice = 2 * (numerator - quotient * denominator)
  if (twice === denominator) return quotient % 2 === 0 ? quotient : quotient + 1
  return twice < denominator ? quotient : quotient + 1
}

export interface Codes {
  readonly exponent: number
  readonly zeroPoint: number
  readonly lowest: number
  readonly highest: number
}

/** Rounded to steps of 2^exponent, half to even, saturated to the codes, and back: a shift to the right, an addition and a clamp (quantization.md 6.1). */
export function requantize(tensor: IntegerTensor, { exponent, zeroPoint, lowest, highest }: Codes): IntegerTensor {
  const { shape, integers, divisor } = tensor
  const shift = exponent - tensor.exponent
  const numeratorFactor = shift < 0 ? 2 ** -shift : 1
  const denominator = shift > 0 ? divisor * 2 ** shift : divisor
  const codes = integers.map(value => {
    const code = divideHalfEven(value * numeratorFactor, denominator) + zeroPoint
    return Math.min(highest, Math.max(lowest, code)) - zeroPoint
  })
  return { shape, integers: codes, exponent, divisor: 1 }
}
