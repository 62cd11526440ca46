import type { Graph } from '../graph.js'
import { float, int, intAttribute, intsAttribute, isOp, makeNode, type Node } from '../node.js'
import { type Facts, numbersOf } from '../ops/facts.js'
import { definePass, type PassContext } from './define-pass.js'
import { scalarOf } from './scalar-of.js'

/**
 * d = x - mean(x);  d / sqrt(mean(d^2) + epsilon) * gamma + beta   over the last axis  becomes  LayerNormalization(x, gamma, beta)   (ai.onnx 17)
 * Exporters before opset 17 write the chain. As one node it is kept whole: a quantizer between its parts would keep engines from fusing it.
 * Only where nothing else reads what lies between.
 */
export const canonicalLayerNorm = definePass({
  name: 'canonical-layer-norm',
  phase: 'canonical',
  apply(graph, context) {
    if (context.opset < 17) return 0
    const facts = context.facts(graph)
    let changes = 0
    for (const last of graph.nodes) {
      const found = isOp(last, 'Add') ? matchChain(graph, last, { context, facts }) : undefined
      if (found === undefined) continue
      const { input, gamma, beta, epsilon, between } = found
      const attributes = { axis: int(-1), epsilon: float(epsilon) }
      const node = makeNode({
        name: last.name,
        opType: 'LayerNormalization',
        inputs: [input, gamma, beta],
        outputs: last.outputs,
        attributes,
      })
      graph.replaceNode(last, node)
      graph.removeNodes(between)
      for (const { outputs } of between) graph.valueInfo.delete(outputs[0]!)
      changes += 1
    }
    return changes
  },
})

interface Sight {
  readonly context: PassContext
  readonly facts: (value: string) => Facts
}

interface Match {
  readonly input: string
  readonly gamma: string
  readonly beta: string
  readonly epsilon: number
  readonly between: readonly Node[]
}

function matchChain(graph: Graph, last: Node, sight: Sight): Match | undefined {
  const { context } = sight
  const [scaled, beta] = withVector(graph, last, context) ?? []
  const scale = soleProducer(graph, scaled, 'Mul')
  const [normal, gamma] = withVector(graph, scale, context) ?? []
  const division = soleProducer(graph, normal, 'Div')
  const root = soleProducer(graph, division?.inputs[1], 'Sqrt')
  const shifted = soleProducer(graph, root?.inputs[0], 'Add')
  const [variance, epsilon] = withNumber(graph, shifted, context) ?? []
  const square = meanOverLast(graph, soleProducer(graph, variance, 'ReduceMean'), sight)
  const squared = soleProducer(graph, square?.inputs[0])
  const [centred = ''] = division?.inputs ?? []
  const difference = graph.producer(centred)
  if (squared === undefined || !isSquareOf(graph, squared, centred, context) || !isOp(difference, 'Sub') || graph.isOutput(centred))
    return undefined
  const mean = meanOverLast(graph, soleProducer(graph, difference.inputs[1], 'ReduceMean'), sight)
  const [input = ''] = difference.inputs
  if (mean?.inputs[0] !== input || graph.consumers(centred).length !== 2) return undefined
  if (scale === undefined || division === undefined || root === undefined || shifted === undefined || square === undefined) return undefined
  if (gamma === undefined || beta === undefined || epsilon === undefined || !(epsilon > 0)) return undefined
  const sizes = [gamma, beta].map(name => context.constant(graph, name)!.shape[0]!)
  const width = sight.facts(input).shape?.at(-1)
  if (sizes[0] !== sizes[1] || (typeof width === 'number' ? width !== sizes[0] : sizes[0] === 1)) return undefined
  return { input, gamma, beta, epsilon, between: [scale, division, root, shifted, square, squared, difference, mean] }
}

/** The node behind `value` when it has the type asked for and only one reader. */
function soleProducer(graph: Graph, value: string | undefined, opType?: string): Node | undefined {
  if (value === undefined || graph.soleConsumer(value) === undefined) return undefined
  const node = graph.producer(value)
  return opType === undefined || isOp(node, opType) ? node : undefined
}

/** The other input and the constant float32 vector of an Add or Mul. */
function withVector(graph: Graph, node: Node | undefined, context: PassContext): readonly [string, string] | undefined {
  const [first = '', second = ''] = node?.inputs ?? []
  const isVector = (value: string): boolean => {
    const tensor = context.constant(graph, value)
    return tensor?.dtype === 'float32' && tensor.shape.length === 1
  }
  if (isVector(second)) return [first, second]
  return isVector(first) ? [second, first] : undefined
}

function withNumber(graph: Graph, node: Node | undefined, context: PassContext): readonly [string, number] | undefined {
  const [first = '', second = ''] = node?.inputs ?? []
  const right = scalarOf(graph, second, context)
  if (right !== undefined) return [first, right]
  const left = scalarOf(graph, first, context)
  return left === undefined ? undefined : [second, left]
}

function isSquareOf(graph: Graph, node: Node | undefined, value: string, context: PassContext): boolean {
  if (node?.domain !== '' || node.inputs[0] !== value) return false
  if (node.opType === 'Pow') return scalarOf(graph, node.inputs[1] ?? '', context) === 2
  return node.opType === 'Mul' && node.inputs[1] === value
}

function meanOverLast(graph: Graph, node: Node | undefined, { context, facts }: Sight): Node | undefined {
  if (node === undefined || intAttribute(node, 'keepdims', 1) !== 1) return undefined
  const tensor = context.constant(graph, node.inputs[1] ?? '')
  const axes = intsAttribute(node, 'axes') ?? (tensor === undefined ? undefined : numbersOf(tensor, 1))
  const rank = facts(node.inputs[0]!).shape?.length
  return axes?.length === 1 && (axes[0] === -1 || (rank !== undefined && axes[0] === rank - 1)) ? node : undefined
}
