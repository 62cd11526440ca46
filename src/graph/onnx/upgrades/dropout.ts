import { changeAttributes } from '../../edit.js'
import { changeNode, floatAttribute } from '../../node.js'
import { scalar } from '../../tensor/tensor.js'
import { cannotUpgrade, defineUpgrade } from './upgrade.js'

/** Dropout-7 and -10 to -13: ratio became an input. The mask changed its type and its meaning at inference: refused when it is read. */
export const dropout = defineUpgrade({
  ops: ['Dropout'],
  apply(node, { opset, addConstant }) {
    if (opset >= 12) return [node]
    if ((node.outputs[1] ?? '') !== '') throw cannotUpgrade(node, opset, 'its mask has another meaning in later sets')
    const plain = changeNode(changeAttributes(node, { drop: ['ratio'] }), { outputs: node.outputs.slice(0, 1) })
    if (!node.attributes.has('ratio')) return [plain]
    const ratio = addConstant(`${node.name}_ratio`, scalar('float32', Float32Array.of(floatAttribute(node, 'ratio', 0.5))))
    return [changeNode(plain, { inputs: [node.inputs[0]!, ratio] })]
  },
})
