import { QuantdError } from '../../errors.js'
import { roundHalfEven } from '../../graph/tensor/round-half-even.js'

/** Ends of the values that a quantizer represents; float 0 lies within after `symmetricRange` and `asymmetricRange`. */
export interface Range {
  readonly low: number
  readonly high: number
}

/** value = scale * (code - zeroPoint). `scale` is a float32, above 0; `zeroPoint` is a code of uint8. */
export interface Affine {
  readonly scale: number
  readonly zeroPoint: number
}

export type ActivationMode = 'symmetric' | 'asymmetric'

/** Spread below which a tensor counts as constant (quantization.md 1.4 step 1). */
const minimumSpread = 8e-4
/** Largest magnitude below which a channel counts as dead (quantization.md 1.3 step 1). */
const minimumMagnitude = 8e-5

export const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, value))

/**
 * Range of an activation quantized asymmetrically (quantization.md 1.4): widened where constant, made to hold 0, and one border moved outwards so that 0 is
 * exactly a code. Where 0 rounds onto an end code, that end becomes 0 (the guard of the note in 12.1).
 */
export function asymmetricRange({ low, high }: Range, levels = 256): Range {
  check({ low, high })
  const spread = high - low
  const widen = spread > minimumSpread ? 0 : (minimumSpread - spread) / 2
  const a = Math.min(low - widen, 0)
  const b = Math.max(high + widen, 0)
  const top = levels - 1
  const zero = roundHalfEven((-a * top) / (b - a))
  if (zero === 0) return { low: 0, high: b }
  if (zero === top) return { low: a, high: 0 }
  const movedLow = (zero / (zero - top)) * b
  const movedHigh = ((zero - top) / zero) * a
  return b - movedLow > movedHigh - a ? { low: movedLow, high: b } : { low: a, high: movedHigh }
}

/** Range of an activation quantized symmetrically (quantization.md 1.3): unsigned [0, M] when nothing lies below 0, else [-M * 128 / 127, M]. */
export function symmetricRange({ low, high }: Range): Range {
  check({ low, high })
  const magnitude = Math.max(Math.abs(low), Math.abs(high), minimumMagnitude)
  return low >= 0 ? { low: 0, high: magnitude } : { low: (-magnitude * 128) / 127, high: magnitude }
}

/** Scale and zero point on the uint8 grid of a range that came from `asymmetricRange` or `symmetricRange` (quantization.md 1.6). */
export function affineOf({ low, high }: Range, levels = 256): Affine {
  const scale = Math.fround((high - low) / (levels - 1))
  return { scale, zeroPoint: clamp(roundHalfEven(-low / ((high - low) / (levels - 1))), 0, levels - 1) }
}

/** Parameters of an activation from what was observed of it. @throws ERR_QUANT_RANGE */
export function activationAffine(observed: Range, mode: ActivationMode): Affine {
  return affineOf(mode === 'symmetric' ? symmetricRange(observed) : asymmetricRange(observed))
}

/** The smallest power of two that is no less than `scale`: steps between which a shift converts. Never less than the smallest normal float32. */
export function powerOfTwoScale(scale: number): number {
  const exponent = Math.max(-126, Math.ceil(Math.log2(scale)))
  return 2 ** (exponent > -126 && 2 ** (exponent - 1) >= scale ? exponent - 1 : exponent)
}

/** `affine` with its step taken up to a power of two; the zero point of symmetric codes (0 or 128) stays. */
export const powerOfTwo = ({ scale, zeroPoint }: Affine): Affine => ({ scale: powerOfTwoScale(scale), zeroPoint })

/** Ends that the codes 0..255 of `affine` stand for. */
export function rangeOf({ scale, zeroPoint }: Affine): Range {
  return { low: -zeroPoint * scale, high: (255 - zeroPoint) * scale }
}

/**
 * Scales of weights quantized symmetrically to the narrow range -127..127, from each channel's largest magnitude. Dead channels take 1 % of the largest
 * (quantization.md 1.3 step 1). `half` doubles the step, so that codes stay within +-64 and one 16-bit sum of two u8s8 products cannot saturate (1.5).
 */
export function weightScales(magnitudes: ArrayLike<number>, range: 'full' | 'half'): Float32Array {
  let largest = 0
  for (let i = 0; i < magnitudes.length; i += 1) largest = Math.max(largest, magnitudes[i]!)
  if (!Number.isFinite(largest))
    throw new QuantdError('ERR_QUANT_RANGE', 'weights hold a value that is not finite', { details: { largest } })
  const floor = Math.max(0.01 * largest, minimumMagnitude)
  const codes = range === 'half' ? 63.5 : 127
  return Float32Array.from(magnitudes, magnitude => Math.max(magnitude, floor) / codes)
}

/** Codes of `values` under an affine quantizer, rounded half to even before the zero point is added, saturated to 0..255 (QuantizeLinear-13). */
export function quantizeUint8(values: ArrayLike<number>, { scale, zeroPoint }: Affine): Uint8Array {
  const codes = new Uint8Array(values.length)
  for (let i = 0; i < values.length; i += 1) codes[i] = clamp(roundHalfEven(Math.fround(values[i]! / scale)) + zeroPoint, 0, 255)
  return codes
}

function check({ low, high }: Range): void {
  if (Number.isFinite(low) && Number.isFinite(high) && low <= high) return
  throw new QuantdError('ERR_QUANT_RANGE', `range [${low}, ${high}] is not finite and in order`, { details: { low, high } })
}
