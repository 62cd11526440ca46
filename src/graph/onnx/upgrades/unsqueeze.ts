import { listToInput } from './list-input.js'
import { defineUpgrade } from './upgrade.js'

/** Unsqueeze-1 and -11 to -13: axes became an input. */
export const unsqueeze = defineUpgrade({
  ops: ['Unsqueeze'],
  apply: (node, { opset, addConstant }) => [opset >= 13 ? node : listToInput(node, { name: 'axes', index: 1, addConstant })],
})
