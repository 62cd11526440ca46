import type { Graph } from '../../graph/graph.js'
import { constantData } from '../../graph/tensor/tensor.js'
import type { GivenWeights } from '../placement/given-quantizers.js'
import type { QuantizedWeights } from './quantize-weights.js'

/** Weights that the model brought along, as a linear unit takes them: codes and scales to the last bit. */
export function givenWeights(graph: Graph, name: string, { codes, scales, axis }: GivenWeights): QuantizedWeights {
  const tensor = graph.constant(name)!
  return { codes, scales, axis, shape: tensor.shape, values: constantData(tensor) as Float32Array, given: true }
}
