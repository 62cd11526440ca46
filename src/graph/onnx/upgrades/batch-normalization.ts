import { changeAttributes } from '../../edit.js'
import { changeNode, intAttribute } from '../../node.js'
import { cannotUpgrade, defineUpgrade } from './upgrade.js'

/** BatchNormalization-7 and -9 to -15: spatial = 1 became the only way; further outputs meant training and are refused when they are read. */
export const batchNormalization = defineUpgrade({
  ops: ['BatchNormalization'],
  apply(node, { opset }) {
    if (opset >= 14) return [node]
    if (opset < 9 && intAttribute(node, 'spatial', 1) === 0)
      throw cannotUpgrade(node, opset, 'statistics per position (spatial = 0) have no later form')
    if (node.outputs.slice(1).some(output => output !== '')) throw cannotUpgrade(node, opset, 'its training outputs have no later form')
    return [changeNode(changeAttributes(node, { drop: ['spatial'] }), { outputs: node.outputs.slice(0, 1) })]
  },
})
