import { listToInput } from './list-input.js'
import { defineUpgrade } from './upgrade.js'

/** TopK-1 to -11: k became an input of one element; largest and sorted, added later, default to what it did. */
export const topK = defineUpgrade({
  ops: ['TopK'],
  apply: (node, { opset, addConstant }) => [opset >= 10 ? node : listToInput(node, { name: 'k', index: 1, addConstant })],
})
