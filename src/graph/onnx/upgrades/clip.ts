import { changeAttributes } from '../../edit.js'
import { changeNode, floatAttribute, type Node } from '../../node.js'
import { likeScalar } from './like-scalar.js'
import { defineUpgrade } from './upgrade.js'

/** Clip-6 to -13: min and max became inputs of the type of the data; one that is not given stays open. */
export const clip = defineUpgrade({
  ops: ['Clip'],
  apply(node, context) {
    if (context.opset >= 11) return [node]
    const nodes: Node[] = []
    const bound = (name: 'min' | 'max'): string => {
      if (!node.attributes.has(name)) return ''
      const made = likeScalar(floatAttribute(node, name, 0), { base: `${node.name}_${name}`, value: node.inputs[0]!, context })
      nodes.push(...made.nodes)
      return made.name
    }
    const [low, high] = [bound('min'), bound('max')]
    const inputs = high !== '' ? [node.inputs[0]!, low, high] : low !== '' ? [node.inputs[0]!, low] : [node.inputs[0]!]
    return [...nodes, changeNode(changeAttributes(node, { drop: ['min', 'max'] }), { inputs })]
  },
})
