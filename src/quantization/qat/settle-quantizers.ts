import { bypassNodes } from '../../graph/edit.js'
import { channelAt } from '../../graph/fake-quantize/grid-codes.js'
import { isFakeQuantize } from '../../graph/fake-quantize/read-fake-quantize.js'
import type { Graph } from '../../graph/graph.js'
import { changeNode, intAttribute, isOp, type Node } from '../../graph/node.js'
import { type ConstantTensor, constantData } from '../../graph/tensor/tensor.js'
import type { GivenQuantizers, GivenWeights } from '../placement/given-quantizers.js'
import { type Affine, rangeOf } from '../ranges/affine.js'
import type { Notes } from './notes.js'
import type { WeightCodes } from './weight-codes.js'

export interface SettleOptions {
  /** By the name of the FakeQuantize node that stands for a quantizer. */
  readonly activations: ReadonlyMap<string, Affine>
  /** By the name of the linear node. */
  readonly weights: ReadonlyMap<string, WeightCodes>
  readonly notes: Notes
  readonly weightRange: 'full' | 'half'
}

/** Takes the nodes that stand for quantizers out of a prepared graph and says in its names what they were: parameters by value, codes by weight initializer. */
export function settleQuantizers(graph: Graph, options: SettleOptions): GivenQuantizers {
  return { activations: settleActivations(graph, options), weights: settleWeights(graph, options) }
}

function settleActivations(graph: Graph, { activations, notes }: SettleOptions): Map<string, Affine> {
  const marks = graph.nodes.filter(node => isFakeQuantize(node) && activations.has(node.name))
  bypassNodes(graph, new Map(marks.map(node => [node.outputs[0]!, node.inputs[0]!])))
  const left = new Set(graph.nodes.filter(node => activations.has(node.name) && isFakeQuantize(node)))
  if (left.size > 0) graph.setNodes(graph.nodes.map(node => (left.has(node) ? changeNode(node, { opType: 'Identity' }) : node)))
  const exists = new Set([...graph.inputs.map(({ name }) => name), ...graph.nodes.flatMap(({ outputs }) => outputs)])
  const inputOf = new Map(marks.map(node => [node.outputs[0]!, node.inputs[0]!]))
  const given = new Map<string, Affine>()
  for (const mark of marks) {
    let value = mark.inputs[0]!
    while (!exists.has(value) && inputOf.has(value)) value = inputOf.get(value)!
    if (!exists.has(value)) value = marks.find(({ inputs, outputs }) => inputs[0] === value && exists.has(outputs[0]!))?.outputs[0] ?? value
    const affine = activations.get(mark.name)!
    const known = given.get(value)
    if (known !== undefined && (known.scale !== affine.scale || known.zeroPoint !== affine.zeroPoint)) {
      notes.add('quantized in more than one way; the widest range is kept for all its readers', value)
      if (spread(known) >= spread(affine)) continue
    }
    given.set(value, affine)
  }
  return given
}

function spread(affine: Affine): number {
  const { low, high } = rangeOf(affine)
  return high - low
}

function settleWeights(graph: Graph, { weights, notes, weightRange }: SettleOptions): Map<string, GivenWeights> {
  const given = new Map<string, GivenWeights>()
  for (const node of graph.nodes) {
    const codes = weights.get(node.name)
    const name = node.inputs[1]
    const tensor = name === undefined ? undefined : graph.constant(name)
    if (codes === undefined || name === undefined || tensor === undefined) continue
    const scaled = scaledWeights(codes, tensor, outputAxis(node, tensor))
    if (scaled === undefined) notes.add('its scales do not go with its output channels, so its codes are made anew', name)
    else if (weightRange === 'half' && scaled.codes.some(code => Math.abs(code) > 64))
      notes.add('its codes are made anew within +-64, since this processor would saturate beyond', name)
    else given.set(name, scaled)
  }
  return given
}

/** Axis of the output channels of a linear node's weights; undefined where kernels take one scale alone. */
function outputAxis(node: Node, { shape }: ConstantTensor): number | undefined {
  if (isOp(node, 'Conv')) return 0
  if (isOp(node, 'ConvTranspose')) return 1
  if (isOp(node, 'Gemm')) return intAttribute(node, 'transB', 0) === 0 ? 1 : 0
  return shape.length === 2 ? 1 : undefined
}

/** Shares of a weight that float32 rounding may have moved it by. */
const rounding = 2 ** -21

/**
 * The codes with the scales that stand for what the weights have become: each output channel times one factor, as folding a BatchNormalization leaves them
 * (codes change their sign with it). A factor of 1 leaves a scale as it was. Undefined where that does not reproduce the weights to float rounding.
 */
function scaledWeights(
  { codes, shape, scales, axis }: WeightCodes,
  tensor: ConstantTensor,
  outputs: number | undefined,
): GivenWeights | undefined {
  if (tensor.dtype !== 'float32' || tensor.shape.join() !== shape.join()) return undefined
  if (axis !== undefined && axis !== outputs) return undefined
  const values = constantData(tensor) as Float32Array
  const channels = outputs === undefined ? 1 : shape[outputs]!
  const channelOf = channelAt(shape, outputs)
  const scaleOf = (channel: number) => scales[axis === undefined ? 0 : channel]!
  const largest = new Int32Array(channels).fill(-1)
  codes.forEach((code, index) => {
    const channel = channelOf(index)
    if (code !== 0 && (largest[channel]! < 0 || Math.abs(code) > Math.abs(codes[largest[channel]!]!))) largest[channel] = index
  })
  const factors = Float64Array.from(largest, (index, channel) =>
    index < 0 ? 1 : values[index]! / Math.fround(codes[index]! * scaleOf(channel)),
  )
  const scaled = Float32Array.from(factors, (factor, channel) => scaleOf(channel) * Math.abs(factor))
  const signed = codes.map((code, index) => (factors[channelOf(index)]! < 0 ? -code : code))
  const reproduced = signed.every((code, index) => {
    if (codes[index] === -128 && code === -128 && factors[channelOf(index)]! < 0) return false
    const value = code * scaled[channelOf(index)]!
    return Math.abs(values[index]! - value) <= Math.abs(value) * rounding
  })
  if (!reproduced || !scaled.every(scale => Number.isFinite(scale) && scale > 0)) return undefined
  const single = axis === undefined && factors.every(factor => factor === 1)
  return { codes: signed, scales: single ? scales.slice(0, 1) : scaled, axis: single ? undefined : outputs }
}
