import { int, isOp, makeNode, type Node } from '../../node.js'
import { openvinoDomain } from '../../openvino-domain.js'
import { type ConstantTensor, constant, constantData } from '../../tensor/tensor.js'
import type { ImportCall, ImportLayer } from './import-call.js'

/** FakeQuantize stands in a graph as ONNX exporters write it: domain org.openvinotoolkit. */
function fakeQuantize(call: ImportCall): boolean {
  if (!['numpy', ''].includes(call.text('auto_broadcast'))) return false
  const { builder, layer, inputs, outputs } = call
  const attributes = { levels: int(call.number('levels', 256)) }
  builder.push(
    makeNode({ name: builder.nodeName(layer.name), opType: 'FakeQuantize', domain: openvinoDomain, inputs, outputs, attributes }),
  )
  return true
}

/**
 * Multiply behind the Convert of constant int8 codes, with a zero point taken off between them or not: compressed weights (quantization.md 9.3, form 2), which
 * are DequantizeLinear. False for any other product.
 */
export function compressedWeights(call: ImportCall): boolean {
  const { builder, inputs } = call
  const scale = call.constant(1)
  const before = builder.producer(inputs[0]!)
  const shifted = isOp(before, 'Sub') ? before : undefined
  const convert = shifted === undefined ? before : builder.producer(shifted.inputs[0]!)
  const codes = isOp(convert, 'Cast') ? builder.constant(convert.inputs[0]!) : undefined
  if (scale?.dtype !== 'float32' || codes === undefined || (codes.dtype !== 'int8' && codes.dtype !== 'uint8')) return false
  const axis = channelAxis(scale.shape, codes.shape)
  const zero = zeroPoint(call, { shifted, codes, scale })
  if (axis === undefined || zero === undefined) return false
  const count = constantData(scale).length
  const flat = { ...scale, shape: count === 1 ? [] : [count] }
  call.result('DequantizeLinear', [convert!.inputs[0]!, builder.addConstant(`${call.layer.name}/scale`, flat), ...zero], {
    axis: int(axis),
  })
  return true
}

/** Axis of a scale [1, .., C, .., 1] in the layout of the codes; 0 where there is a single scale. */
function channelAxis(scale: readonly number[], codes: readonly number[]): number | undefined {
  const axes = scale.flatMap((size, axis) => (size === 1 ? [] : [axis + codes.length - scale.length]))
  if (axes.length > 1 || axes.some(axis => axis < 0)) return undefined
  return axes[0] ?? 0
}

/** The zero point as an input of DequantizeLinear, none where there is none; undefined where it is no code. */
function zeroPoint(
  call: ImportCall,
  { shifted, codes, scale }: { readonly shifted: Node | undefined; readonly codes: ConstantTensor; readonly scale: ConstantTensor },
): readonly string[] | undefined {
  if (shifted === undefined) return []
  const given = call.builder.constant(shifted.inputs[1]!) ?? constantBehindCast(call, shifted.inputs[1]!)
  if (given === undefined) return undefined
  const values = Array.from(constantData(given) as ArrayLike<number>, Number)
  const count = constantData(scale).length
  const spread = values.length === count ? values : values.length === 1 ? Array.from({ length: count }, () => values[0]!) : undefined
  const [low, high] = codes.dtype === 'int8' ? [-128, 127] : [0, 255]
  if (spread === undefined || !spread.every(value => Number.isInteger(value) && value >= low && value <= high)) return undefined
  const data = codes.dtype === 'int8' ? Int8Array.from(spread) : Uint8Array.from(spread)
  return [call.builder.addConstant(`${call.layer.name}/zero`, constant(codes.dtype as 'int8' | 'uint8', count === 1 ? [] : [count], data))]
}

/** Zero points are often stored as codes, too. */
function constantBehindCast(call: ImportCall, value: string): ConstantTensor | undefined {
  const cast = call.builder.producer(value)
  return isOp(cast, 'Cast') ? call.builder.constant(cast.inputs[0]!) : undefined
}

export const quantizeImports: Readonly<Record<string, ImportLayer>> = { FakeQuantize: fakeQuantize }
