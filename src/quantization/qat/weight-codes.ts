import type { Grid } from '../../graph/fake-quantize/grid.js'
import { elementCount } from '../../graph/tensor/tensor.js'

/** Quantized weights of a file in the layout of their tensor: value = scales[channel] * code. */
export interface WeightCodes {
  readonly codes: Int8Array
  readonly shape: readonly number[]
  readonly scales: Float32Array
  /** Axis of the scales; undefined = one for all. */
  readonly axis: number | undefined
}

/** Centred codes as int8 weights with zero point 0; undefined where one does not fit into 8 bits. */
export function weightCodes(codes: Int32Array, shape: readonly number[], { scales, axis }: Grid): WeightCodes | undefined {
  if (!codes.every(code => code >= -128 && code <= 127)) return undefined
  return { codes: Int8Array.from(codes), shape, scales, axis }
}

/** The same weights behind a Transpose. */
export function transposedWeights({ codes, shape, scales, axis }: WeightCodes, permutation: readonly number[]): WeightCodes {
  const turned = permutation.map(from => shape[from]!)
  const strides = shape.map((_, at) => elementCount(shape.slice(at + 1)))
  const steps = permutation.map(from => strides[from]!)
  const result = new Int8Array(codes.length)
  const position = turned.map(() => 0)
  let source = 0
  for (let index = 0; index < codes.length; index += 1) {
    result[index] = codes[source]!
    for (let at = turned.length - 1; at >= 0; at -= 1) {
      position[at]! += 1
      source += steps[at]!
      if (position[at]! < turned[at]!) break
      source -= steps[at]! * turned[at]!
      position[at] = 0
    }
  }
  return { codes: result, shape: turned, scales, axis: axis === undefined ? undefined : permutation.indexOf(axis) }
}
