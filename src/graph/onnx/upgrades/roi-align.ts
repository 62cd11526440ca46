import { changeAttributes } from '../../edit.js'
import { string } from '../../node.js'
import { defineUpgrade } from './upgrade.js'

/** RoiAlign-10 to -16: the half pixel shift became the default; what was done before has the name output_half_pixel. */
export const roiAlign = defineUpgrade({
  ops: ['RoiAlign'],
  apply: (node, { opset }) => [
    opset >= 16 ? node : changeAttributes(node, { set: { coordinate_transformation_mode: string('output_half_pixel') } }),
  ],
})
