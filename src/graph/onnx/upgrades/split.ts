import { listToInput } from './list-input.js'
import { defineUpgrade } from './upgrade.js'

/** Split-2 and -11 to -13: the sizes became an input; without them the parts are equal in both. */
export const split = defineUpgrade({
  ops: ['Split'],
  apply: (node, { opset, addConstant }) => [opset >= 13 ? node : listToInput(node, { name: 'split', index: 1, addConstant })],
})
