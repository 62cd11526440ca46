import { floatAttribute, intAttribute, intsAttribute, stringAttribute } from '../../node.js'
import type { Source } from '../net-writer.js'
import type { ExportCall, ExportOp } from './export-call.js'

const broadcast = { auto_broadcast: 'numpy' } as const

/** Attributes that convolutions and poolings share, for `rank` spatial axes. */
export function windowData({ node }: ExportCall, rank: number): Record<string, string | readonly number[]> {
  const pads = intsAttribute(node, 'pads') ?? Array.from({ length: 2 * rank }, () => 0)
  const auto = { NOTSET: 'explicit', VALID: 'valid', SAME_UPPER: 'same_upper', SAME_LOWER: 'same_lower' }[
    stringAttribute(node, 'auto_pad', 'NOTSET')
  ]
  return {
    strides: intsAttribute(node, 'strides') ?? Array.from({ length: rank }, () => 1),
    pads_begin: pads.slice(0, rank),
    pads_end: pads.slice(rank),
    auto_pad: auto ?? 'explicit',
  }
}

/** [groups, outputs / groups, inputs / groups, kernel...] out of the layout of ONNX; a computed weight is reshaped behind its own quantizers. */
function grouped(call: ExportCall, groups: number): Source {
  const shape = call.shape(1)
  if (shape === undefined) throw call.refuse('the shape of its weights is not known')
  const [first, ...rest] = shape as readonly [number, ...number[]]
  const constant = call.constant(1)
  if (constant !== undefined) return call.net.constant(call.node.inputs[1]!, { ...constant, shape: [groups, first / groups, ...rest] })
  const target = call.net.int64s(`${call.node.name}/groups`, [groups, first / groups, ...rest])
  return call.add('grouped', { type: 'Reshape', data: { special_zero: false }, inputs: [call.input(1), target] })
}

/** The result of a linear layer, with the bias of input 2 added along axis 1 where there is one. */
function withBias(
  call: ExportCall,
  spatial: number,
  layer: { type: string; data: Readonly<Record<string, string | readonly number[]>>; inputs: readonly Source[] },
): void {
  if (!call.has(2)) {
    call.result(layer)
    return
  }
  const product = call.add('linear', layer)
  const shape = call.net.int64s(`${call.node.name}/bias/shape`, [1, -1, ...Array.from({ length: spatial }, () => 1)])
  const bias = call.add('bias', { type: 'Reshape', data: { special_zero: false }, inputs: [call.input(2), shape] })
  call.result({ type: 'Add', data: broadcast, inputs: [product, bias] })
}

function conv(call: ExportCall): void {
  const spatial = call.rank(1) - 2
  const groups = intAttribute(call.node, 'group', 1)
  const data = {
    ...windowData(call, spatial),
    dilations: intsAttribute(call.node, 'dilations') ?? Array.from({ length: spatial }, () => 1),
  }
  const weight = groups === 1 ? call.input(1) : grouped(call, groups)
  withBias(call, spatial, { type: groups === 1 ? 'Convolution' : 'GroupConvolution', data, inputs: [call.input(0), weight] })
}

function convTranspose(call: ExportCall): void {
  const spatial = call.rank(1) - 2
  const groups = intAttribute(call.node, 'group', 1)
  if (intsAttribute(call.node, 'output_shape') !== undefined) throw call.refuse('output_shape has no counterpart here')
  const data = {
    ...windowData(call, spatial),
    dilations: intsAttribute(call.node, 'dilations') ?? Array.from({ length: spatial }, () => 1),
    output_padding: intsAttribute(call.node, 'output_padding') ?? Array.from({ length: spatial }, () => 0),
  }
  const weight = groups === 1 ? call.input(1) : grouped(call, groups)
  const type = groups === 1 ? 'ConvolutionBackpropData' : 'GroupConvolutionBackpropData'
  withBias(call, spatial, { type, data, inputs: [call.input(0), weight] })
}

function gemm(call: ExportCall): void {
  const { node, net } = call
  const data = { transpose_a: String(intAttribute(node, 'transA', 0) !== 0), transpose_b: String(intAttribute(node, 'transB', 0) !== 0) }
  const scaled = (source: Source, name: 'alpha' | 'beta') => {
    const factor = floatAttribute(node, name, 1)
    return factor === 1
      ? source
      : call.add(name, { type: 'Multiply', data: broadcast, inputs: [source, net.floats(`${node.name}/${name}/value`, [factor])] })
  }
  const inputs = [call.input(0), call.input(1)]
  const plain = !call.has(2) && floatAttribute(node, 'alpha', 1) === 1
  if (plain) {
    call.result({ type: 'MatMul', data, inputs })
    return
  }
  const product = scaled(call.add('product', { type: 'MatMul', data, inputs }), 'alpha')
  if (!call.has(2)) {
    call.bind(0, product)
    return
  }
  call.result({ type: 'Add', data: broadcast, inputs: [product, scaled(call.input(2), 'beta')] })
}

/** Convolutions and matrix products. IR has no bias input: it is an addition behind them. */
export const linearExports: Readonly<Record<string, ExportOp>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  Gemm: gemm,
  MatMul: call => call.result({ type: 'MatMul', data: { transpose_a: 'false', transpose_b: 'false' }, inputs: call.inputs }),
}
