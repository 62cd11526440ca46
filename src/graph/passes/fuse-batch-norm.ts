import { floatAttribute, intAttribute, isOp } from '../node.js'
import { constantData } from '../tensor/tensor.js'
import { definePass } from './define-pass.js'
import { absorb, linearOf } from './linear.js'

/**
 * Conv(x, w, b) -> BatchNormalization  becomes  Conv(x, w', b')       (ConvTranspose, Gemm and a two-dimensional MatMul alike)
 *   g = gamma / sqrt(variance + epsilon)   [outChannels]
 *   w' = w * g per output channel          b' = (b - mean) * g + beta
 * Only where nothing else reads the bare result. Weights that others read are copied.
 */
export const fuseBatchNorm = definePass({
  name: 'fuse-batch-norm',
  phase: 'fuse',
  apply(graph, context) {
    const facts = context.facts(graph)
    let changes = 0
    for (const norm of graph.nodes) {
      if (!isOp(norm, 'BatchNormalization') || intAttribute(norm, 'training_mode', 0) !== 0) continue
      if (norm.outputs.slice(1).some(output => output !== '')) continue
      const linear = linearOf(graph, graph.producer(norm.inputs[0]!), { context, facts })
      if (linear === undefined || graph.soleConsumer(norm.inputs[0]!) !== norm) continue
      // The channels of a normalization are axis 1: the last one of a matrix, not of a MatMul with more axes.
      if (linear.rank - 1 - linear.axesBehind !== 1) continue
      const [gamma, beta, mean, variance] = norm.inputs.slice(1).map(name => {
        const tensor = context.constant(graph, name)
        return tensor?.dtype === 'float32' && tensor.shape.join() === `${linear.channels}`
          ? (constantData(tensor) as Float32Array)
          : undefined
      })
      if (gamma === undefined || beta === undefined || mean === undefined || variance === undefined) continue
      const epsilon = floatAttribute(norm, 'epsilon', 1e-5)
      const factors = Float64Array.from(gamma, (value, channel) => value / Math.sqrt(variance[channel]! + epsilon))
      const summands = Float64Array.from(beta, (value, channel) => value - mean[channel]! * factors[channel]!)
      absorb(graph, { linear, next: norm, factors, summands, context })
      changes += 1
    }
    return changes
  },
})
