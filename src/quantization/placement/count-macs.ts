import type { Graph } from '../../graph/graph.js'
import { intAttribute, isOp, type Node } from '../../graph/node.js'
import { elementCount } from '../../graph/tensor/tensor.js'
import type { Shapes } from './shapes.js'

/** Multiply-adds of a convolution, matrix product or recurrent layer at the sizes of `shapes`; 0 for every other operator. */
export function countMacs(graph: Graph, shapes: Shapes, node: Node): number {
  const shapeOf = (value: string | undefined) => (value === undefined ? undefined : (graph.constant(value)?.shape ?? shapes.get(value)))
  const data = shapeOf(node.inputs[0])
  const weight = shapeOf(node.inputs[1])
  const output = shapeOf(node.outputs.find(name => name !== ''))
  if (data === undefined || weight === undefined || output === undefined) return 0
  if (isOp(node, 'GRU', 'LSTM', 'RNN')) return data[0]! * data[1]! * (elementCount(weight) + elementCount(shapeOf(node.inputs[2]) ?? []))
  if (isOp(node, 'Conv')) return elementCount(output) * elementCount(weight.slice(1))
  if (isOp(node, 'ConvTranspose')) return elementCount(data) * elementCount(weight.slice(1))
  if (isOp(node, 'MatMul')) return elementCount(output) * data.at(-1)!
  if (isOp(node, 'Gemm')) return elementCount(output) * data[intAttribute(node, 'transA', 0) === 0 ? 1 : 0]!
  return 0
}
