import { listToInput } from './list-input.js'
import { defineUpgrade } from './upgrade.js'

/** ReduceSum-1 and -11 to -13: axes became an input (the other reductions keep the attribute up to ai.onnx 18). */
export const reduceSum = defineUpgrade({
  ops: ['ReduceSum'],
  apply: (node, { opset, addConstant }) => [opset >= 13 ? node : listToInput(node, { name: 'axes', index: 1, addConstant })],
})
