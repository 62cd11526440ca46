import { isOp } from '../node.js'
import { definePass } from './define-pass.js'
import { absorb, linearOf, perChannel } from './linear.js'

/**
 * Conv(x, w, b) * c  becomes  Conv(x, w * c, b * c)   for a constant c per output channel (Div alike; ConvTranspose and Gemm alike).
 * Only where nothing else reads the bare result.
 */
export const fuseScale = definePass({
  name: 'fuse-scale',
  phase: 'fuse',
  after: ['fuse-batch-norm'],
  apply(graph, context) {
    const facts = context.facts(graph)
    let changes = 0
    for (const next of graph.nodes) {
      if (!isOp(next, 'Mul', 'Div')) continue
      for (const [at, other] of [
        [0, 1],
        [1, 0],
      ] as const) {
        if (at === 1 && isOp(next, 'Div')) continue
        const producer = graph.producer(next.inputs[at]!)
        const linear = isOp(producer, 'MatMul') ? undefined : linearOf(graph, producer, { context, facts })
        const tensor = context.constant(graph, next.inputs[other]!)
        if (linear === undefined || tensor === undefined || graph.soleConsumer(next.inputs[at]!) !== next) continue
        const values = perChannel(tensor, linear)
        if (values?.every(value => Number.isFinite(value) && value !== 0) !== true) continue
        const factors = Float64Array.from(values, value => (isOp(next, 'Div') ? 1 / value : value))
        absorb(graph, { linear, next, factors, summands: new Float64Array(linear.channels), context })
        changes += 1
        break
      }
    }
    return changes
  },
})
