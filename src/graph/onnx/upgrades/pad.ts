import { changeAttributes } from '../../edit.js'
import { changeNode, floatAttribute, stringAttribute } from '../../node.js'
import { likeScalar } from './like-scalar.js'
import { listToInput, withInput } from './list-input.js'
import { defineUpgrade } from './upgrade.js'

/** Pad-2 to -13: pads and value became inputs, the value of the type of the data (0 is the default and left out). */
export const pad = defineUpgrade({
  ops: ['Pad'],
  apply(node, context) {
    if (context.opset >= 11) return [node]
    const padded = changeAttributes(listToInput(node, { name: 'pads', index: 1, addConstant: context.addConstant }), { drop: ['value'] })
    const value = floatAttribute(node, 'value', 0)
    if (value === 0 || stringAttribute(node, 'mode', 'constant') !== 'constant') return [padded]
    const { name, nodes } = likeScalar(value, { base: `${node.name}_value`, value: node.inputs[0]!, context })
    return [...nodes, changeNode(padded, { inputs: withInput(padded.inputs, 2, name) })]
  },
})
