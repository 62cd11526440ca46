import type { Graph } from '../graph/graph.js'
import { isOp } from '../graph/node.js'
import type { ActivationMode } from './ranges/affine.js'

/** Activations that go below zero without being symmetric about it (quantization.md 2.5). */
const skewed = [
  'Elu',
  'PRelu',
  'LeakyRelu',
  'Gelu',
  'HardSwish',
  'Swish',
  'Mish',
  'Selu',
  'Celu',
  'Erf',
  'Tanh',
  'ThresholdedRelu',
  'Softplus',
] as const

/**
 * What the model's activations say is likely: asymmetric where they go below zero, symmetric otherwise; ReLU outputs get the same codes either way.
 * Measuring decides.
 */
export function seedMode(graph: Graph): { readonly mode: ActivationMode; readonly because: string } {
  for (const node of graph.nodes) {
    if (isOp(node, ...skewed))
      return { mode: 'asymmetric', because: `it has ${node.opType}, which goes below zero without being symmetric about it` }
    if (
      isOp(node, 'Sigmoid') &&
      graph.consumers(node.outputs[0]!).some(next => isOp(next, 'Mul') && next.inputs.includes(node.inputs[0]!))
    ) {
      return { mode: 'asymmetric', because: 'it has x * Sigmoid(x), which goes below zero without being symmetric about it' }
    }
  }
  return { mode: 'symmetric', because: 'its activations are symmetric or start at zero' }
}
