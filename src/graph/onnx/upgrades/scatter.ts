import { changeNode } from '../../node.js'
import { defineUpgrade } from './upgrade.js'

/** Scatter-9 is ScatterElements-11 under its old name. */
export const scatter = defineUpgrade({
  ops: ['Scatter'],
  apply: node => [changeNode(node, { opType: 'ScatterElements' })],
})
