import { changeAttributes } from '../../edit.js'
import { changeNode, int, intAttribute, makeNode } from '../../node.js'
import { defineUpgrade } from './upgrade.js'

/**
 * Softmax, LogSoftmax and Hardmax -1 and -11 to -13: they worked on the tensor flattened to two axes at `axis` (default 1), now along `axis` alone.
 * The same for the last axis; else Shape, Flatten, the operator along the last axis, Reshape.
 */
export const softmax = defineUpgrade({
  ops: ['Hardmax', 'LogSoftmax', 'Softmax'],
  apply(node, { opset, facts, uniqueName }) {
    if (opset >= 13) return [node]
    const axis = intAttribute(node, 'axis', 1)
    const input = node.inputs[0]!
    const rank = facts(input).shape?.length
    const last = changeAttributes(node, { set: { axis: int(-1) } })
    if (axis === -1 || (rank !== undefined && axis === rank - 1)) return [last]
    const [shape, flat, done] = [uniqueName(`${node.name}_shape`), uniqueName(`${node.name}_flat`), uniqueName(`${node.name}_done`)]
    return [
      makeNode({ name: shape, opType: 'Shape', inputs: [input], outputs: [shape] }),
      makeNode({ name: flat, opType: 'Flatten', inputs: [input], outputs: [flat], attributes: { axis: int(axis) } }),
      changeNode(last, { inputs: [flat], outputs: [done] }),
      makeNode({
        name: uniqueName(`${node.name}_back`),
        opType: 'Reshape',
        inputs: [done, shape],
        outputs: node.outputs,
        attributes: { allowzero: int(1) },
      }),
    ]
  },
})
