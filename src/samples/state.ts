import { dtypes } from '../graph/tensor/dtype.js'
import type { TensorSpec } from '../graph/tensor/spec.js'
import { elementCount, type Tensor } from '../graph/tensor/tensor.js'

/** What a recurrent model is fed where a sequence begins: zeros, free sizes taken as 1. */
export function zeroState({ dtype, shape }: TensorSpec): Tensor {
  const sizes = shape.map(size => (typeof size === 'number' ? size : 1))
  return { dtype, shape: sizes, data: new dtypes[dtype].array(elementCount(sizes)) }
}
