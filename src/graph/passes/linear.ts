import type { Graph } from '../graph.js'
import { changeNode, float, floatAttribute, intAttribute, isOp, makeNode, type Node } from '../node.js'
import type { Facts } from '../ops/facts.js'
import { type ConstantTensor, constant, constantData } from '../tensor/tensor.js'
import { addConstant, type PassContext } from './define-pass.js'

/** A Conv, ConvTranspose, Gemm or MatMul with constant float32 weights and bias: what a factor or a summand per output channel can be put into. */
export interface Linear {
  readonly node: Node
  readonly weights: ConstantTensor
  readonly channels: number
  /** Rank of the output, and how many axes follow its channel axis. */
  readonly rank: number
  readonly axesBehind: number
  /** Bias per channel with Gemm's beta put in; zeros where there is none. */
  readonly bias: Float32Array
  /** Output channel that a weight (by its index in row-major order) works for. */
  readonly channelOf: (index: number) => number
}

/** `node` as a `Linear`, or undefined when its weights or bias are not constant float32 or its output rank is unknown. */
export function linearOf(
  graph: Graph,
  node: Node | undefined,
  { context, facts }: { context: PassContext; facts: (value: string) => Facts },
): Linear | undefined {
  if (!isOp(node, 'Conv', 'ConvTranspose', 'Gemm', 'MatMul')) return undefined
  const weights = context.constant(graph, node.inputs[1]!)
  if (weights?.dtype !== 'float32') return undefined
  const geometry = geometryOf(node, weights, facts)
  if (geometry === undefined) return undefined
  const bias = biasOf(graph, node, { context, channels: geometry.channels })
  return bias === undefined ? undefined : { node, weights, bias, ...geometry }
}

function geometryOf(
  node: Node,
  { shape }: ConstantTensor,
  facts: (value: string) => Facts,
): Omit<Linear, 'node' | 'weights' | 'bias'> | undefined {
  const size = (axes: readonly number[]): number => axes.reduce((whole, axis) => whole * axis, 1)
  if (isOp(node, 'Conv') && shape.length >= 3) {
    const perChannel = size(shape.slice(1))
    return { channels: shape[0]!, rank: shape.length, axesBehind: shape.length - 2, channelOf: index => Math.floor(index / perChannel) }
  }
  if (isOp(node, 'ConvTranspose') && shape.length >= 3) {
    const groups = intAttribute(node, 'group', 1)
    const [inputs, perGroup] = [shape[0]!, shape[1]!]
    const kernel = size(shape.slice(2))
    const inputsPerGroup = inputs / groups
    const channelOf = (index: number): number => {
      const plane = Math.floor(index / kernel)
      return Math.floor(Math.floor(plane / perGroup) / inputsPerGroup) * perGroup + (plane % perGroup)
    }
    return { channels: perGroup * groups, rank: shape.length, axesBehind: shape.length - 2, channelOf }
  }
  if (shape.length !== 2) return undefined
  const [rows, columns] = [shape[0]!, shape[1]!]
  if (isOp(node, 'Gemm')) {
    const turned = intAttribute(node, 'transB', 0) === 1
    const channelOf = turned ? (index: number) => Math.floor(index / columns) : (index: number) => index % columns
    return { channels: turned ? rows : columns, rank: 2, axesBehind: 0, channelOf }
  }
  const rank = facts(node.inputs[0]!).shape?.length
  return rank === undefined ? undefined : { channels: columns, rank, axesBehind: 0, channelOf: index => index % columns }
}

function biasOf(graph: Graph, node: Node, { context, channels }: { context: PassContext; channels: number }): Float32Array | undefined {
  const name = node.inputs[2] ?? ''
  if (name === '') return new Float32Array(channels)
  const tensor = context.constant(graph, name)
  if (tensor?.dtype !== 'float32') return undefined
  const values = perChannel(tensor, { channels, rank: isOp(node, 'Gemm') ? 2 : 1, axesBehind: 0 })
  const beta = isOp(node, 'Gemm') ? floatAttribute(node, 'beta', 1) : 1
  return values?.map(value => value * beta)
}

/**
 * One value per channel, when `tensor` broadcasts to an output of `rank` along its channel axis alone ([C, 1, 1], [1, C, 1, 1], a scalar) without
 * giving it more axes; else undefined.
 */
export function perChannel(
  tensor: ConstantTensor,
  { channels, rank, axesBehind }: Pick<Linear, 'channels' | 'rank' | 'axesBehind'>,
): Float32Array | undefined {
  const { dtype, shape } = tensor
  if (dtype !== 'float32' || shape.length > rank) return undefined
  const axis = shape.length - 1 - axesBehind
  if (shape.some((size, at) => size !== 1 && at !== axis)) return undefined
  const values = constantData(tensor) as Float32Array
  if (values.length === 1) return new Float32Array(channels).fill(values[0]!)
  return values.length === channels ? values : undefined
}

/** Puts y = linear(x) * factor + summand (per output channel) in place of `linear` and `next`, under the output of `next`. Shared weights are copied. */
export function absorb(
  graph: Graph,
  {
    linear,
    next,
    factors,
    summands,
    context,
  }: { linear: Linear; next: Node; factors?: Float64Array; summands: Float64Array; context: PassContext },
): void {
  const { node, channels, channelOf, bias } = linear
  let weights = node.inputs[1]!
  if (factors !== undefined) {
    const old = constantData(linear.weights) as Float32Array
    const scaled = old.map((value, index) => value * factors[channelOf(index)]!)
    weights = addConstant(graph, context, { base: `${weights}_scaled`, tensor: constant('float32', linear.weights.shape, scaled) })
  }
  const whole = Float32Array.from(bias, (value, channel) => value * (factors?.[channel] ?? 1) + summands[channel]!)
  const name = addConstant(graph, context, { base: `${node.name}_bias`, tensor: constant('float32', [channels], whole) })
  const inputs = [node.inputs[0]!, weights, name]
  const fields = { inputs, outputs: [next.outputs[0]!] }
  let fused: Node
  if (isOp(node, 'MatMul')) fused = makeNode({ ...fields, name: node.name, opType: 'Gemm', source: node.source })
  else if (isOp(node, 'Gemm')) fused = changeNode(node, { ...fields, attributes: new Map([...node.attributes, ['beta', float(1)]]) })
  else fused = changeNode(node, fields)
  graph.valueInfo.delete(node.outputs[0]!)
  graph.replaceNodes([node, next], [fused])
}
