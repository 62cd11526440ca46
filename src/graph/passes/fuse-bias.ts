import { isOp } from '../node.js'
import { definePass } from './define-pass.js'
import { absorb, linearOf, perChannel } from './linear.js'

/**
 * Conv(x, w, b) + c  becomes  Conv(x, w, b + c)   for a constant c per output channel (- c alike; ConvTranspose and Gemm alike).
 * Only where nothing else reads the bare result.
 */
export const fuseBias = definePass({
  name: 'fuse-bias',
  phase: 'fuse',
  after: ['fuse-batch-norm', 'fuse-scale'],
  apply(graph, context) {
    const facts = context.facts(graph)
    let changes = 0
    for (const next of graph.nodes) {
      if (!isOp(next, 'Add', 'Sub')) continue
      for (const [at, other] of [
        [0, 1],
        [1, 0],
      ] as const) {
        if (at === 1 && isOp(next, 'Sub')) continue
        const producer = graph.producer(next.inputs[at]!)
        const linear = isOp(producer, 'MatMul') ? undefined : linearOf(graph, producer, { context, facts })
        const tensor = context.constant(graph, next.inputs[other]!)
        if (linear === undefined || tensor === undefined || graph.soleConsumer(next.inputs[at]!) !== next) continue
        const values = perChannel(tensor, linear)
        if (values === undefined) continue
        absorb(graph, { linear, next, summands: Float64Array.from(values, value => (isOp(next, 'Sub') ? -value : value)), context })
        changes += 1
        break
      }
    }
    return changes
  },
})
