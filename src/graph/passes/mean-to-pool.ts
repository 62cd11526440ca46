import { intAttribute, intsAttribute, isOp, makeNode } from '../node.js'
import { numbersOf, plainAxis } from '../ops/facts.js'
import { constant } from '../tensor/tensor.js'
import { addConstant, definePass } from './define-pass.js'

/**
 * ReduceMean(x, axes H and W)  becomes  GlobalAveragePool(x), followed by Squeeze where keepdims = 0.
 * Only for float32 x of four axes; the pool is what engines quantize.
 */
export const meanToPool = definePass({
  name: 'mean-to-pool',
  phase: 'canonical',
  apply(graph, context) {
    const facts = context.facts(graph)
    let changes = 0
    for (const node of graph.nodes) {
      if (!isOp(node, 'ReduceMean') || context.opset < 13) continue
      const { dtype, shape } = facts(node.inputs[0]!)
      const tensor = context.constant(graph, node.inputs[1] ?? '')
      const axes = intsAttribute(node, 'axes') ?? (tensor === undefined ? undefined : numbersOf(tensor, 4))
      if (dtype !== 'float32' || shape?.length !== 4 || axes?.length !== 2) continue
      if (!axes.every(axis => [2, 3].includes(plainAxis(axis, 4) ?? -1)) || plainAxis(axes[0]!, 4) === plainAxis(axes[1]!, 4)) continue
      const keep = intAttribute(node, 'keepdims', 1) === 1
      const [output] = node.outputs
      const pooled = keep ? output! : context.uniqueName(`${node.name}_pooled`)
      const nodes = [makeNode({ name: node.name, opType: 'GlobalAveragePool', inputs: [node.inputs[0]!], outputs: [pooled] })]
      if (!keep) {
        const axesName = addConstant(graph, context, {
          base: `${node.name}_axes`,
          tensor: constant('int64', [2], BigInt64Array.of(2n, 3n)),
        })
        const name = context.uniqueName(`${node.name}_squeeze`)
        nodes.push(makeNode({ name, opType: 'Squeeze', inputs: [pooled, axesName], outputs: [output!] }))
      }
      graph.replaceNodes([node], nodes)
      changes += 1
    }
    return changes
  },
})
