import type { Graph } from '../../../graph/graph.js'
import { intAttribute, isOp, type Node, stringAttribute } from '../../../graph/node.js'
import { isConstant } from '../scan-units.js'

/** Operators through which a quantizer moves unchanged (quantization.md 2.4): they give back what they read. Their first input alone is data. */
const agnostic = [
  'DepthToSpace',
  'Dropout',
  'Expand',
  'Flatten',
  'Gather',
  'GatherElements',
  'GlobalMaxPool',
  'Identity',
  'MaxPool',
  'ReduceMax',
  'Reshape',
  'Slice',
  'SpaceToDepth',
  'Split',
  'Squeeze',
  'Tile',
  'Transpose',
  'Unsqueeze',
] as const

/** Functions of one element, which OpenVINO computes in float behind the operator that feeds them, in the same kernel where it can. */
const activations = [
  'Celu',
  'Clip',
  'Elu',
  'Erf',
  'Gelu',
  'HardSigmoid',
  'HardSwish',
  'LeakyRelu',
  'Mish',
  'PRelu',
  'Relu',
  'Selu',
  'Sigmoid',
  'Softplus',
  'Swish',
  'Tanh',
  'ThresholdedRelu',
] as const

export const isActivation = (node: Node | undefined): boolean => isOp(node, ...activations)

export const isElementwise = (node: Node | undefined): boolean => isOp(node, 'Add', 'Max', 'Min', 'Mul', 'Sub')

/** Operators without weights that work on the values of a neighbourhood, and are quantized at their input. */
export const isPooling = (node: Node | undefined): boolean =>
  isOp(node, 'AveragePool', 'GlobalAveragePool') || (isOp(node, 'Resize') && !isNearest(node))

const isNearest = (node: Node): boolean => stringAttribute(node, 'mode', 'nearest') === 'nearest'

/** Operators that hand a quantizer on. MaxPool with indices gives integers beside, Pad only hands on when it pads with zero. */
export function isAgnostic(graph: Graph, node: Node | undefined): boolean {
  if (node === undefined) return false
  if (isOp(node, 'Resize')) return isNearest(node)
  if (isOp(node, 'Pad')) {
    return ['constant', 'edge', 'reflect'].includes(stringAttribute(node, 'mode', 'constant')) && (node.inputs[2] ?? '') === ''
  }
  if (!isOp(node, ...agnostic)) return false
  return node.opType === 'Split' || node.outputs.slice(1).every(output => output === '' || graph.consumers(output).length === 0)
}

/** True for y = x op constant: part of a scale and shift, which stays in float inside the chain that it belongs to. */
export const isScaleShift = (graph: Graph, node: Node | undefined): boolean =>
  isOp(node, 'Add', 'Div', 'Mul', 'Sub') && node.inputs.some(input => isConstant(graph, input))

/** Name under which `ops` of a device spec speaks of a node: its operator, or a class of its own. */
export function opClass(graph: Graph, node: Node): string {
  if (isOp(node, 'Conv')) {
    const weight = graph.constant(node.inputs[1]!)
    return weight !== undefined && weight.shape[1] === 1 && intAttribute(node, 'group', 1) > 1 ? 'DepthwiseConv' : 'Conv'
  }
  if (isOp(node, 'MatMul')) return node.inputs.some(input => isConstant(graph, input)) ? 'MatMul' : 'DynamicMatMul'
  return node.opType
}
