import { changeAttributes } from '../../edit.js'
import { changeNode, type Node, string, stringAttribute } from '../../node.js'
import { known } from '../../ops/facts.js'
import { constant } from '../../tensor/tensor.js'
import { cannotUpgrade, defineUpgrade, type UpgradeContext } from './upgrade.js'

/**
 * Upsample-7 and -9 and Resize-10 to Resize-13: source position = position / scale (`asymmetric`), nearest taking floor where an axis grows and ceil
 * where it shrinks, as ONNX Runtime's kernels of those sets do. Resize-11 has all modes by name already; an absent roi or scales is said by ''.
 */
export const resize = defineUpgrade({
  ops: ['Resize', 'Upsample'],
  apply(node, context) {
    const { opset } = context
    if (opset >= 13) return [node]
    if (opset >= 11) return [fromResize11(node, context)]
    const scales = scalesOf(node, context)
    if (scales === undefined) throw cannotUpgrade(node, opset, 'it has no scales')
    const mode = stringAttribute(node, 'mode', 'nearest')
    const base = changeAttributes(node, {
      drop: ['scales'],
      set: { mode: string(mode === 'bilinear' ? 'linear' : mode), coordinate_transformation_mode: string('asymmetric') },
    })
    const resized = changeNode(base, { opType: 'Resize', inputs: [node.inputs[0]!, '', scales.name] })
    if (mode !== 'nearest') return [resized]
    const { values } = scales
    const grows = values?.every(scale => scale >= 1) ?? node.opType === 'Upsample'
    const shrinks = values?.every(scale => scale <= 1) === true
    if (!grows && !shrinks)
      throw cannotUpgrade(node, opset, 'nearest with scales that are not all at least 1 or all at most 1 has no later form')
    return [changeAttributes(resized, { set: { nearest_mode: string(grows ? 'floor' : 'ceil') } })]
  },
})

function scalesOf(node: Node, { facts, addConstant }: UpgradeContext): { name: string; values: readonly number[] | undefined } | undefined {
  const attribute = node.attributes.get('scales')
  if (attribute?.kind !== 'floats') {
    const name = node.inputs[1] ?? ''
    return name === '' ? undefined : { name, values: known(facts(name).values) }
  }
  const values = Float32Array.from(attribute.value)
  return { name: addConstant(`${node.name}_scales`, constant('float32', [values.length], values)), values: [...values] }
}

function fromResize11(node: Node, { opset, facts }: UpgradeContext): Node {
  if (stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel') === 'tf_half_pixel_for_nn') {
    throw cannotUpgrade(node, opset, 'tf_half_pixel_for_nn has no later form')
  }
  const [data = '', roi = '', scales = '', sizes = ''] = node.inputs
  const usesRoi = stringAttribute(node, 'coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize'
  const inputs = [data, usesRoi ? roi : '', sizes === '' ? scales : '', sizes]
  const isEmpty = facts(scales).shape?.[0] === 0
  if (sizes === '' && isEmpty) throw cannotUpgrade(node, opset, 'it has neither scales nor sizes')
  return changeNode(node, { inputs: sizes === '' ? inputs.slice(0, 3) : inputs })
}
