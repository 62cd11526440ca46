import { isOp, type Node } from '../node.js'
import { windowOf } from '../ops/window.js'
import { definePass } from './define-pass.js'
import { type Linear, linearReaders, rebuilt, weightsOf } from './linear.js'
import { scalarOf } from './scalar-of.js'

/**
 * Conv(x + t, w, b)  becomes  Conv(x, w, b + t * sum of w per output channel)   for a number t and a convolution without padding (Gemm alike)
 * Padding adds zeros to x + t, not to x, so a padded convolution keeps its sum. Only where such operators are all that reads the sum.
 */
export const shiftIntoNext = definePass({
  name: 'shift-into-next',
  phase: 'fuse',
  after: ['scale-into-next'],
  apply(graph, context) {
    const facts = context.facts(graph)
    let changes = 0
    for (const add of graph.nodes) {
      const [output = ''] = add.outputs
      if (!isOp(add, 'Add') || graph.producer(output) !== add) continue
      const [first = '', second = ''] = add.inputs
      const right = scalarOf(graph, second, context)
      const [input, shift] = right === undefined ? [second, scalarOf(graph, first, context)] : [first, right]
      const readers = shift === undefined ? undefined : linearReaders(graph, output, { context, facts })
      if (shift === undefined || readers?.every(({ node, weights }) => sumsAll(node, weights.shape)) !== true) continue
      for (const linear of readers) {
        const bias = shiftedBias(linear, shift)
        graph.replaceNode(linear.node, rebuilt(graph, linear, { bias, input, output: linear.node.outputs[0]!, context }))
      }
      graph.removeNodes([add])
      changes += 1
    }
    return changes
  },
})

/** Every output is a sum over all weights of its channel: no padding, and for Gemm no factor on the product and no transposed data. */
function sumsAll(node: Node, shape: readonly number[]): boolean {
  if (isOp(node, 'Gemm')) return !node.attributes.has('alpha')
  const window = node.opType === 'Conv' ? windowOf(node, shape.slice(2)) : undefined
  if (window === undefined) return false
  return window.autoPad === 'VALID' || (window.autoPad === 'NOTSET' && window.pads.every(size => size === 0))
}

function shiftedBias(linear: Linear, shift: number): Float32Array {
  const sums = new Float64Array(linear.channels)
  weightsOf(linear).forEach((value, index) => {
    sums[linear.channelOf(index)]! += value
  })
  return linear.bias.map((value, channel) => value + shift * sums[channel]!)
}
