import type { Graph } from '../../graph/graph.js'
import { isOp, type Node } from '../../graph/node.js'
import { elementCount } from '../../graph/tensor/tensor.js'

/** Operators that pick or order values without changing them, of which the first input is data. */
const moving = [
  'Flatten',
  'Gather',
  'GatherElements',
  'GatherND',
  'Identity',
  'Expand',
  'Reshape',
  'Slice',
  'Split',
  'Squeeze',
  'Tile',
  'Transpose',
  'Unsqueeze',
]
/** Operators that choose among candidates: what they read decides by its order, not by its size. */
const choosing = ['NonMaxSuppression', 'TopK'] as const
/** Most weights of a matrix that decodes boxes: corners from centres and sizes, offsets from a distribution. */
const mostDecodingWeights = 64

/**
 * What stands between the last layers of a detector and its answer, by structure, each node with the reason why it stays float (quantization.md 4.2, 4.3): the
 * way from layers to NonMaxSuppression and TopK, and around each Concat that puts scores beside anything else. Scores of 0..1 beside coordinates of some hundred
 * pixels would share 256 codes and lose all but one or two of them. Convolutions and matrix products with learnt weights end the head: they stay quantized.
 */
export function findDetectionHead(graph: Graph): Map<Node, string> {
  const reasons = new Map<Node, string>()
  const markUp = (values: readonly string[], reason: string): void => {
    const open = [...values]
    for (let value = open.pop(); value !== undefined; value = open.pop()) {
      const node = graph.producer(value)
      if (node === undefined || reasons.has(node) || isLayer(graph, node)) continue
      reasons.set(node, reason)
      open.push(...node.inputs)
    }
  }
  for (const node of graph.nodes) {
    if (!isOp(node, ...choosing)) continue
    markUp(
      node.inputs.slice(0, node.opType === 'TopK' ? 1 : 2),
      `between the layers and ${node.opType}, which tells candidates apart by small differences`,
    )
  }
  for (const node of graph.nodes) {
    if (!isOp(node, 'Concat') || !mixes(graph, node)) continue
    const behind = tailBehind(graph, node)
    if (behind === undefined) continue
    const reason = 'detection head: scores and coordinates meet in one tensor, whose range would leave the scores no codes'
    reasons.set(node, reason)
    markUp(node.inputs, reason)
    for (const each of behind) if (!reasons.has(each)) reasons.set(each, reason)
  }
  return reasons
}

/** A convolution or matrix product with learnt weights, as against one that only decodes. */
function isLayer(graph: Graph, node: Node): boolean {
  if (!isOp(node, 'Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'GRU', 'LSTM', 'RNN')) return false
  const weight = graph.constant(node.inputs[1] ?? '')
  if (weight === undefined) return isOp(node, 'GRU', 'LSTM', 'RNN')
  return elementCount(weight.shape) > mostDecodingWeights || !(isOp(node, 'MatMul') || isOp(sourceOf(graph, node.inputs[0]!), 'Softmax'))
}

/** The node that computes `value`, looking through what only moves it. */
function sourceOf(graph: Graph, value: string): Node | undefined {
  let node = graph.producer(value)
  while (isOp(node, ...moving)) node = graph.producer(node.inputs[0]!)
  return node
}

/** True when some inputs are scores or sizes and others are not. */
const mixes = (graph: Graph, concat: Node): boolean => new Set(concat.inputs.flatMap(input => kindsOf(graph, input))).size > 1

/** What a value means as far as its operator tells: 0..1, an exponential, or anything else. */
function kindsOf(graph: Graph, value: string): readonly ('score' | 'size' | 'other')[] {
  const source = sourceOf(graph, value)
  if (source === undefined) return []
  if (isOp(source, 'Concat')) return source.inputs.flatMap(input => kindsOf(graph, input))
  if (isOp(source, 'Sigmoid', 'Softmax', 'HardSigmoid')) return ['score']
  return [isOp(source, 'Exp') ? 'size' : 'other']
}

/** Nodes behind `node` when no layer is among them: the values go to outputs of the model. Undefined when layers follow. */
function tailBehind(graph: Graph, node: Node): readonly Node[] | undefined {
  const seen = new Set<Node>()
  const open = [...node.outputs]
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    for (const next of graph.consumers(value)) {
      if (isLayer(graph, next)) return undefined
      if (seen.has(next)) continue
      seen.add(next)
      open.push(...next.outputs)
    }
  }
  return [...seen]
}
