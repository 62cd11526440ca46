import { dtypes } from '../graph/tensor/dtype.js'
import type { TensorSpec } from '../graph/tensor/spec.js'
import { elementCount, type Tensor } from '../graph/tensor/tensor.js'

/** What a recurrent model is fed where a sequence begins: zeros. Free sizes are those that `symbols` knows, else 1. */
export function zeroState({ dtype, shape }: TensorSpec, symbols: ReadonlyMap<string, number> = new Map()): Tensor {
  const sizes = shape.map(size => (typeof size === 'number' ? size : ((size === undefined ? undefined : symbols.get(size)) ?? 1)))
  return { dtype, shape: sizes, data: new dtypes[dtype].array(elementCount(sizes)) }
}
