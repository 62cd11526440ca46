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
  const { node, channelOf } = linear
  const weights = factors === undefined ? undefined : weightsOf(linear).map((value, index) => value * factors[channelOf(index)]!)
  const bias = Float32Array.from(linear.bias, (value, channel) => value * (factors?.[channel] ?? 1) + summands[channel]!)
  graph.valueInfo.delete(node.outputs[0]!)
  graph.replaceNodes([node, next], [rebuilt(graph, linear, { weights, bias, input: node.inputs[0]!, output: next.outputs[0]!, context })])
}

/** The weights in row-major order: not to be written to. */
export function weightsOf({ weights }: Linear): Float32Array {
  return constantData(weights) as Float32Array
}

export interface Rebuilt {
  /** New values in the order of the old; undefined keeps the constant. */
  readonly weights?: Float32Array | undefined
  /** Per channel; undefined keeps what is there. */
  readonly bias?: Float32Array | undefined
  readonly input: string
  readonly output: string
  readonly context: PassContext
}

/** The node of `linear` with other weights, bias, input or output; new constants are added to `graph`. A MatMul that gets a bias becomes a Gemm. */
export function rebuilt(graph: Graph, { node, weights: old }: Linear, { weights, bias, input, output, context }: Rebuilt): Node {
  const inputs = [input, ...node.inputs.slice(1)]
  if (weights !== undefined) {
    const tensor = constant('float32', old.shape, weights)
    inputs[1] = addConstant(graph, context, { base: `${node.inputs[1]}_scaled`, tensor })
  }
  const fields = { inputs, outputs: [output] }
  if (bias === undefined) return changeNode(node, fields)
  inputs[2] = addConstant(graph, context, { base: `${node.name}_bias`, tensor: constant('float32', [bias.length], bias) })
  if (isOp(node, 'MatMul')) return makeNode({ ...fields, name: node.name, opType: 'Gemm', source: node.source })
  if (node.opType !== 'Gemm') return changeNode(node, fields)
  return changeNode(node, { ...fields, attributes: new Map([...node.attributes, ['beta', float(1)]]) })
}

/** All readers of `value` as linear operators that take it as data; undefined when another node or the graph itself reads it, or nothing does. */
export function linearReaders(
  graph: Graph,
  value: string,
  sight: { context: PassContext; facts: (value: string) => Facts },
): readonly Linear[] | undefined {
  if (graph.isOutput(value)) return undefined
  const readers = graph.consumers(value).map(node => {
    const asData = node.inputs[0] === value && !node.inputs.slice(1).includes(value)
    return asData ? linearOf(graph, node, sight) : undefined
  })
  return readers.length > 0 && readers.every(reader => reader !== undefined) ? readers : undefined
}
