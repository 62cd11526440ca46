import { type Graph, readsOf } from '../../../graph/graph.js'
import { isOp } from '../../../graph/node.js'
import { countMacs } from '../count-macs.js'
import type { Placement } from '../placement.js'
import type { Shapes } from '../shapes.js'

/**
 * Placement for targets that compute in float16 (Movidius, quantization.md 2.3): nothing is quantized. The ranges of the inputs of the model and of what its
 * convolutions, products and recurrent layers give are observed: they tell how far the values are from the ends of float16.
 */
export function placeFloat16(graph: Graph, shapes: Shapes): Placement {
  const layers = graph.nodes
    .filter(node => node.outputs.some(output => shapes.has(output)) || readsOf(node).some(value => shapes.has(value)))
    .filter(node => !isOp(node, 'Shape', 'Size'))
    .map(node => ({ node, state: 'float', reason: 'the device computes in float16', macs: countMacs(graph, shapes, node) }) as const)
  const products = layers.filter(({ macs }) => macs > 0).map(({ node }) => node.outputs.find(output => output !== '')!)
  const inputs = graph.inputs.map(({ name }) => name).filter(name => shapes.has(name))
  return { units: new Map(), quantizers: new Map(), layers, observed: [...inputs, ...products] }
}
