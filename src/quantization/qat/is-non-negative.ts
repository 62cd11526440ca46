import type { Graph } from '../../graph/graph.js'
import { isOp, stringAttribute } from '../../graph/node.js'
import { constantData } from '../../graph/tensor/tensor.js'

/** Operators that give nothing below zero, whatever they read. */
const always = ['Relu', 'Sigmoid', 'HardSigmoid', 'Softmax', 'Abs', 'Exp', 'Sqrt', 'ReduceL1', 'ReduceL2', 'ReduceSumSquare'] as const
/** Operators whose first input alone decides. */
const likeFirst = [
  'AveragePool',
  'DepthToSpace',
  'Dropout',
  'Expand',
  'Flatten',
  'Gather',
  'GlobalAveragePool',
  'GlobalMaxPool',
  'Identity',
  'MaxPool',
  'ReduceMax',
  'ReduceMean',
  'ReduceSum',
  'Reshape',
  'Slice',
  'SpaceToDepth',
  'Split',
  'Squeeze',
  'Tile',
  'Transpose',
  'Unsqueeze',
] as const

/** True when the operators in front of `value` leave nothing below zero; false where that is not certain. `known` are values that are known to be so. */
export function isNonNegative(graph: Graph, value: string, known: ReadonlySet<string>): boolean {
  if (known.has(value)) return true
  const tensor = graph.constant(value)
  if (tensor !== undefined) return tensor.dtype === 'float32' && (constantData(tensor) as Float32Array).every(number => number >= 0)
  const node = graph.producer(value)
  if (node === undefined) return false
  if (isOp(node, ...always)) return true
  const of = (input: string) => isNonNegative(graph, input, known)
  if (isOp(node, ...likeFirst) || (isOp(node, 'Resize') && stringAttribute(node, 'mode', 'nearest') !== 'cubic')) return of(node.inputs[0]!)
  if (isOp(node, 'Add', 'Concat', 'Mean', 'Mul', 'Sum')) return node.inputs.every(of)
  if (isOp(node, 'Max')) return node.inputs.some(of)
  if (isOp(node, 'Clip')) return (node.inputs[1] ?? '') !== '' && of(node.inputs[1]!)
  return false
}
