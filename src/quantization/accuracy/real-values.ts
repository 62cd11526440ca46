import type { Tensor } from '../../graph/tensor/tensor.js'
import { float16Value } from '../../samples/float16.js'

/** The values of a tensor as numbers: a view of float32 and float64, a copy of all other types. */
export function realValues({ dtype, data }: Tensor): Float32Array | Float64Array {
  if (data instanceof Float32Array || data instanceof Float64Array) return data
  if (dtype === 'float16') return Float64Array.from(data as Uint16Array, float16Value)
  return Float64Array.from(data as Int32Array, Number)
}
