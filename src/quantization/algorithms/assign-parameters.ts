import { invariant } from '../../errors.js'
import { roundHalfEven } from '../../graph/tensor/round-half-even.js'
import type { Placement, Quantizer } from '../placement/placement.js'
import type { ScaleShift } from '../placement/unit.js'
import { type ActivationMode, type Affine, activationAffine, powerOfTwo, type Range, rangeOf } from '../ranges/affine.js'
import { estimateRange, type RangeEstimator } from '../ranges/range-estimator.js'
import type { Statistics } from '../statistics/statistics.js'

/** What one activation quantizer writes and what its readers take it for; the two differ where a scale and shift is folded in. */
export interface ActivationParameters {
  /** Parameters of the QuantizeLinear. */
  readonly quantize: Affine
  /** Parameters of the DequantizeLinear behind it. */
  readonly dequantize: Affine
  readonly range: Range
  /** 'fixed' where the range is known without looking, 'given' where the model brought it along. */
  readonly estimator: string
  /** True value minus represented value, the same for every element: what a folded shift leaves. */
  readonly offset: number
  /** One per channel along the quantizer's axis, where it has one; `quantize` and `dequantize` are then those of the widest. */
  readonly channels?: readonly Affine[]
}

export interface AssignOptions {
  readonly placement: Placement
  readonly statistics: Statistics
  readonly mode: ActivationMode
  readonly estimatorOf: (quantizer: Quantizer) => RangeEstimator
  /** What estimators with a second look chose (`refineRanges`), or with one of quantiles (`observeQuantiles`), by value; where they did not, their gathered range holds. */
  readonly refined: ReadonlyMap<string, Range>
  /** Ranges that tuning worked out (`tuneRanges`), by value: they go before every estimator, and before what is known of Softmax and Sigmoid. */
  readonly tuned?: ReadonlyMap<string, Range>
  /** power-of-two: the next step up that a shift computes. */
  readonly scales?: 'any' | 'power-of-two'
}

/** Parameters of every activation quantizer by its value; those that move the same codes share theirs. */
export function assignParameters(options: AssignOptions): Map<string, ActivationParameters> {
  const { placement, statistics, estimatorOf, refined } = options
  const parameters = new Map<string, ActivationParameters>()
  const tunedRange = ({ value, given }: Quantizer) => (given === true ? undefined : options.tuned?.get(value))
  const rangeOfOne = (quantizer: Quantizer): Range => {
    const tuned = tunedRange(quantizer)
    if (tuned !== undefined) return clipped(tuned, quantizer)
    if (quantizer.fixed !== undefined) return rangeOf(quantizer.fixed)
    const estimator = estimatorOf(quantizer)
    const observed = statistics.ranges.get(quantizer.value)
    invariant(observed !== undefined, `value ${quantizer.value} was not observed`)
    const chosen = estimator.refine === undefined && estimator.needs === 'extremes' ? undefined : refined.get(quantizer.value)
    return clipped(chosen ?? estimateRange(estimator, observed), quantizer)
  }
  for (const quantizer of placement.quantizers.values()) {
    if (quantizer.root !== quantizer.value) {
      const shared = parameters.get(quantizer.root)!
      parameters.set(quantizer.value, { ...shared, quantize: shared.dequantize })
    } else if (quantizer.fixed !== undefined && tunedRange(quantizer) === undefined) {
      parameters.set(quantizer.value, fixedParameters(stepped(quantizer.fixed, options.scales), quantizer))
    } else if (quantizer.axis !== undefined && statistics.channels.has(quantizer.value)) {
      parameters.set(quantizer.value, perChannel(quantizer, options))
    } else {
      const ranges = (quantizer.group ?? [quantizer.value]).map(value => rangeOfOne(placement.quantizers.get(value)!))
      const range = { low: Math.min(...ranges.map(({ low }) => low)), high: Math.max(...ranges.map(({ high }) => high)) }
      const estimator = tunedRange(quantizer) === undefined ? estimatorOf(quantizer).name : 'tuned'
      parameters.set(quantizer.value, { ...affines(range, quantizer, options), range, estimator })
    }
  }
  return parameters
}

/** Parameters that are known without looking, with a folded scale and shift taken out of what the kernel writes. */
function fixedParameters(fixed: Affine, { given, scaleShift }: Quantizer): ActivationParameters {
  const affines = scaleShift === undefined ? { quantize: fixed, dequantize: fixed, offset: 0 } : shifted(fixed, scaleShift)
  return { ...affines, range: rangeOf(fixed), estimator: given === true ? 'given' : 'fixed' }
}

/** Int8 codes with zero point 0 want a range on both sides of 0. */
const bothSigns = ({ low, high }: Range): Range => ({ low: Math.min(low, -Math.abs(high)), high: Math.max(high, Math.abs(low)) })

export type Scheme = Pick<AssignOptions, 'mode' | 'scales'>

/** What `mode` comes to where not all readers take it, and for int8 codes. */
export const modeOf = ({ modes, signed }: Pick<Quantizer, 'modes' | 'signed'>, mode: ActivationMode): ActivationMode =>
  signed ? 'symmetric' : modes?.includes(mode) === false ? modes[0]! : mode

const stepped = (affine: Affine, scales: AssignOptions['scales']): Affine => (scales === 'power-of-two' ? powerOfTwo(affine) : affine)

/**
 * Ends per channel: medians over the samples for the estimators of medians, else the smallest and the largest of all samples, which is what every other one
 * falls back to where there is a range per channel (quantization.md 3.1, 3.2). Symmetric codes are signed in all channels or in none.
 */
function perChannel(quantizer: Quantizer, { statistics, mode, scales, estimatorOf }: AssignOptions): ActivationParameters {
  const observed = statistics.channels.get(quantizer.value)!
  const isMedian = estimatorOf(quantizer).over.startsWith('median')
  const [lows, highs] = isMedian ? [observed.medianLow, observed.medianHigh] : [observed.low, observed.high]
  const ranges = Array.from(lows, (low, channel) => clipped({ low, high: highs[channel]! }, quantizer))
  const own = modeOf(quantizer, mode)
  const isSigned = own === 'symmetric' && ranges.some(({ low }) => low < 0)
  const channels = ranges.map(range => stepped(activationAffine(isSigned ? bothSigns(range) : range, own), scales))
  const widest = channels.reduce((a, b) => (b.scale > a.scale ? b : a))
  const range = { low: Math.min(...ranges.map(({ low }) => low)), high: Math.max(...ranges.map(({ high }) => high)) }
  return { quantize: widest, dequantize: widest, range, estimator: isMedian ? 'median-min-max' : 'min-max', offset: 0, channels }
}

/** The part of `range` that a folded Relu or Clip lets through, and the shift of a folded scale and shift: the code of its 0. */
export function clipped({ low, high }: Range, { clip, scaleShift }: Pick<Quantizer, 'clip' | 'scaleShift'>): Range {
  const within = clip === undefined ? { low, high } : { low: Math.max(low, clip.low), high: Math.min(high, clip.high) }
  return scaleShift === undefined ? within : { low: Math.min(within.low, scaleShift.add), high: Math.max(within.high, scaleShift.add) }
}

/** Parameters that `range` gives the tensor, before a folded scale and shift relabels them. */
export function plainAffine(range: Range, quantizer: Pick<Quantizer, 'modes' | 'plateau' | 'signed'>, { mode, scales }: Scheme): Affine {
  const affine = activationAffine(quantizer.signed ? bothSigns(range) : range, modeOf(quantizer, mode))
  return stepped(quantizer.plateau === undefined ? affine : onPlateau(affine, range, quantizer.plateau), scales)
}

/** Steps below 0 from which on a plateau is worth a wider step: with one alone the step could double. */
const leastPlateauSteps = 2

/**
 * `affine` with its step widened until the plateau below 0 is a whole number of steps: a great share of the elements stands there, and what rounding does to
 * them it does to all alike, which no later layer averages out.
 */
function onPlateau(affine: Affine, { low }: Range, plateau: number): Affine {
  const steps = Math.floor(-plateau / affine.scale + plateauTolerance)
  if (low > plateau * (1 - plateauTolerance) || steps < leastPlateauSteps) return affine
  const scale = Math.fround(-plateau / steps)
  return { scale, zeroPoint: affine.zeroPoint === 128 ? 128 : Math.min(255, roundHalfEven(-Math.min(low, plateau) / scale)) }
}

/** Share by which an observed end may miss the plateau, and a step the whole number. */
const plateauTolerance = 1e-3

function affines(range: Range, quantizer: Quantizer, scheme: Scheme) {
  const { scaleShift } = quantizer
  const affine = plainAffine(range, quantizer, scheme)
  return scaleShift === undefined ? { quantize: affine, dequantize: affine, offset: 0 } : relabelled(affine, range, scaleShift)
}

/** Steps of shift from which on the scale is stretched to make it whole; below, up to half a step is left to bias correction. */
const stretchFrom = 4

/**
 * y = multiply * x + add, where x is what the kernel computes and y is what `affine` was made for. The same codes stand for both:
 * y = s * (q - z)  and  x = s / multiply * (q - z - add / s), so the shift must be whole steps.
 */
function relabelled(affine: Affine, range: Range, { multiply, add }: ScaleShift) {
  let { scale, zeroPoint } = affine
  const steps = Math.abs(add) / scale
  if (Math.abs(steps - Math.round(steps)) > 0.02 && steps >= stretchFrom) {
    scale = Math.fround(Math.abs(add) / Math.floor(steps))
    zeroPoint = Math.min(255, Math.max(0, roundHalfEven(-Math.min(range.low, 0) / scale)))
  }
  return shifted({ scale, zeroPoint }, { multiply, add })
}

/** `relabelled` without a change of the scale. */
function shifted(dequantize: Affine, { multiply, add }: ScaleShift) {
  const { scale, zeroPoint } = dequantize
  const shift = roundHalfEven(add / scale)
  const inner = Math.min(255, Math.max(0, zeroPoint + shift))
  return { quantize: { scale: Math.fround(scale / multiply), zeroPoint: inner }, dequantize, offset: add - (inner - zeroPoint) * scale }
}
