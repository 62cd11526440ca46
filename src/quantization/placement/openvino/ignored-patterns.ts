import type { Graph } from '../../../graph/graph.js'
import { isOp, type Node } from '../../../graph/node.js'
import { findDetectionHead } from '../find-detection-head.js'
import { findSqueezeExcite } from '../find-squeeze-excite.js'
import { isConstant } from '../scan-units.js'
import { isActivation, isAgnostic, isScaleShift } from './op-classes.js'

/** Operators inside of patterns that stay float as a whole (quantization.md 4.3), with the reason. */
export function ignoredPatterns(graph: Graph): Map<Node, string> {
  const ignored = findDetectionHead(graph)
  for (const node of findSqueezeExcite(graph)) {
    ignored.set(node, 'gate of a squeeze-excite block: no time in it, and it scales whole channels')
  }
  for (const node of graph.nodes) {
    if (isAttentionOutput(graph, node)) ignored.set(node, 'reads the weights of an attention, whose small values 256 levels would lose')
    if (isGatedByItself(graph, node)) ignored.set(node, 'last step of an activation in pieces (swish, GELU)')
    if (scalesPositions(graph, node)) ignored.set(node, 'positional arithmetic: angles of sines and cosines')
  }
  return ignored
}

/** Softmax -> [Reshape, Transpose, ...] -> MatMul of two computed operands. */
function isAttentionOutput(graph: Graph, node: Node): boolean {
  if (!isOp(node, 'MatMul') || node.inputs.some(input => isConstant(graph, input))) return false
  return node.inputs.some(input => {
    let producer = graph.producer(input)
    while (producer !== undefined && isAgnostic(graph, producer)) producer = graph.producer(producer.inputs[0]!)
    return isOp(producer, 'Softmax')
  })
}

/** x * f(x), where f is a chain of functions of one element and constant operands: swish, GELU by erf or tanh, hard swish in pieces. */
function isGatedByItself(graph: Graph, node: Node): boolean {
  if (!isOp(node, 'Mul') || node.inputs.length !== 2) return false
  const [a, b] = node.inputs as [string, string]
  return pointwiseSources(graph, a).has(b) || pointwiseSources(graph, b).has(a) || shareSource(graph, a, b)
}

/** GELU in pieces often scales both sides: (0.5 * x) * (1 + erf(x / sqrt 2)). */
function shareSource(graph: Graph, a: string, b: string): boolean {
  const others = pointwiseSources(graph, b)
  const isFunction = [a, b].some(value => isActivation(graph.producer(value)) || isScaleShift(graph, graph.producer(value)))
  return isFunction && [...pointwiseSources(graph, a)].some(value => others.has(value))
}

/** Values that `value` is a function of, element by element, through activations and constant operands; longest known chain: GELU by tanh. */
function pointwiseSources(graph: Graph, value: string): Set<string> {
  const sources = new Set<string>()
  let frontier = [value]
  for (let step = 0; step < 10 && frontier.length > 0; step += 1) {
    frontier = frontier.flatMap(each => {
      const producer = graph.producer(each)
      if (producer === undefined) return []
      const pointwise = isActivation(producer) || isScaleShift(graph, producer) || isOp(producer, 'Pow', 'Neg', 'Exp', 'Cast')
      const cubed = isOp(producer, 'Mul', 'Add') && new Set(producer.inputs).size <= 2 && step > 0
      if (!pointwise && !cubed) return []
      return producer.inputs.filter(input => !isConstant(graph, input) && !sources.has(input))
    })
    for (const each of frontier) sources.add(each)
  }
  return sources
}

/** A product that only sines and cosines read, through moving operators (rotary and sinusoidal positions). */
function scalesPositions(graph: Graph, node: Node): boolean {
  if (!isOp(node, 'MatMul', 'Mul')) return false
  let frontier: readonly string[] = node.outputs
  for (let step = 0; step < 5; step += 1) {
    const readers = frontier.flatMap(value => graph.consumers(value))
    if (readers.length === 0) return false
    if (readers.every(reader => isOp(reader, 'Cos', 'Sin'))) return true
    if (!readers.every(reader => isAgnostic(graph, reader) || isOp(reader, 'Concat', 'Cos', 'Sin'))) return false
    frontier = readers.filter(reader => !isOp(reader, 'Cos', 'Sin')).flatMap(reader => reader.outputs)
  }
  return false
}
