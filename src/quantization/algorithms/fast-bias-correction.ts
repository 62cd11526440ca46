import { intAttribute, intsAttribute, isOp } from '../../graph/node.js'
import { elementCount } from '../../graph/tensor/tensor.js'
import type { Unit } from '../placement/unit.js'
import type { QuantizedWeights } from './quantize-weights.js'

export interface BiasShiftOptions {
  readonly unit: Unit
  readonly weights: QuantizedWeights
  /** Mean of each channel of the unit's float input over the calibration samples. */
  readonly means: Float64Array
  /** What the unit's input lacks in every element (`ActivationParameters.offset`). */
  readonly offset: number
}

/**
 * What to add to each output channel's bias, so that the mean of the output survives the rounding of the weights (quantization.md 4.4):
 *   shift[o] = sum over c of means[c] * (sum over the kernel of w - w')[o, c]  +  offset * (sum of w')[o]
 * The layer is linear, so this is what running it on a tensor of means gives, without the error that zero padding adds at the border of such a run; hence
 * nothing has to guard against it, and a layer without bias, or with zeros in it, is corrected like any other.
 */
export function biasShift({ unit, weights, means, offset }: BiasShiftOptions): Float64Array {
  const { codes, scales, shape } = weights
  const lostAt = lostBy(weights)
  if (isOp(unit.main, 'Conv')) {
    const [outputs, inputs] = shape as readonly [number, number]
    const kernel = elementCount(shape.slice(2))
    const outputsPerGroup = outputs / intAttribute(unit.main, 'group', 1)
    return Float64Array.from({ length: outputs }, (_, o) => {
      const firstChannel = Math.floor(o / outputsPerGroup) * inputs
      let shift = 0
      for (let c = 0, at = o * inputs * kernel; c < inputs; c += 1) {
        let lost = 0
        let kept = 0
        for (let k = 0; k < kernel; k += 1, at += 1) {
          const quantized = codes[at]! * (scales.length === 1 ? scales[0]! : scales[o]!)
          lost += lostAt(at, quantized)
          kept += quantized
        }
        shift += lost * means[firstChannel + c]! + kept * offset
      }
      return shift
    })
  }
  if (isOp(unit.main, 'ConvTranspose')) return transposedShift({ unit, weights, means, offset })
  const rows = isOp(unit.main, 'Gemm') && intAttribute(unit.main, 'transB', 0) !== 0
  const outputs = rows ? shape[0]! : shape.at(-1)!
  const inputs = rows ? shape[1]! : shape.at(-2)!
  return Float64Array.from({ length: outputs }, (_, o) => {
    const scale = scales.length === 1 ? scales[0]! : scales[o]!
    let shift = 0
    for (let c = 0; c < inputs; c += 1) {
      const at = rows ? o * inputs + c : c * outputs + o
      const quantized = codes[at]! * scale
      shift += lostAt(at, quantized) * means[c]! + quantized * offset
    }
    return shift
  })
}

/** What rounding has taken from a weight; nothing where the model brought its codes along: they are what was trained. */
function lostBy({ values, given }: QuantizedWeights): (at: number, quantized: number) => number {
  return given === true ? () => 0 : (at, quantized) => values[at]! - quantized
}

/** Each place of the output gets as many taps of the kernel as the strides leave: their mean over the places, borders aside. */
function transposedShift({ unit, weights, means, offset }: BiasShiftOptions): Float64Array {
  const { codes, scales, shape } = weights
  const lostAt = lostBy(weights)
  const [inputs, outputsPerGroup] = shape as readonly [number, number]
  const groups = intAttribute(unit.main, 'group', 1)
  const kernel = elementCount(shape.slice(2))
  const places = elementCount(intsAttribute(unit.main, 'strides') ?? [1])
  const shift = new Float64Array(outputsPerGroup * groups)
  for (let c = 0, at = 0; c < inputs; c += 1) {
    const firstOutput = Math.floor(c / (inputs / groups)) * outputsPerGroup
    for (let o = 0; o < outputsPerGroup; o += 1) {
      const scale = scales.length === 1 ? scales[0]! : scales[o]!
      let lost = 0
      let kept = 0
      for (let k = 0; k < kernel; k += 1, at += 1) {
        const quantized = codes[at]! * scale
        lost += lostAt(at, quantized)
        kept += quantized
      }
      shift[firstOutput + o]! += (lost * means[c]! + kept * offset) / places
    }
  }
  return shift
}
