import { listToInput } from './list-input.js'
import { defineUpgrade } from './upgrade.js'

/** Squeeze-1 and -11 to -13: axes became an input; without them every axis of size 1 goes in both. */
export const squeeze = defineUpgrade({
  ops: ['Squeeze'],
  apply: (node, { opset, addConstant }) => [opset >= 13 ? node : listToInput(node, { name: 'axes', index: 1, addConstant })],
})
