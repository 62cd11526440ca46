import { listToInput } from './list-input.js'
import { defineUpgrade } from './upgrade.js'

/** Slice-1 to -13: starts, ends and axes became inputs. */
export const slice = defineUpgrade({
  ops: ['Slice'],
  apply(node, { opset, addConstant }) {
    if (opset >= 10) return [node]
    const starts = listToInput(node, { name: 'starts', index: 1, addConstant })
    const ends = listToInput(starts, { name: 'ends', index: 2, addConstant })
    return [listToInput(ends, { name: 'axes', index: 3, addConstant })]
  },
})
