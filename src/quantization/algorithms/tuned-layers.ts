import type { Node } from '../../graph/node.js'
import type { Range } from '../ranges/affine.js'
import type { QuantizedWeights } from './quantize-weights.js'

/**
 * Weights and biases that an algorithm worked out in place of plain rounding, by the main node of their linear unit, and ranges of activations. What is not in it
 * stays as it was.
 */
export interface TunedLayers {
  /** Of the algorithms, for the report: 'full bias correction', 'layer tuning'. */
  readonly name: string
  readonly weights: ReadonlyMap<Node, QuantizedWeights>
  /** One number per output channel, the float bias included. */
  readonly biases: ReadonlyMap<Node, Float64Array>
  /** Of activations, by the value of the quantizer (`tuneRanges`); absent = as the estimator has them. */
  readonly ranges?: ReadonlyMap<string, Range>
}
