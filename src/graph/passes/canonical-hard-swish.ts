import type { Graph } from '../graph.js'
import { floatAttribute, isOp, makeNode, type Node } from '../node.js'
import { scaledBy, shiftedClip } from './canonical-hard-sigmoid.js'
import { definePass, type PassContext } from './define-pass.js'
import { isNear } from './scalar-of.js'

/**
 * x * Clip(x + 3, 0, 6) / 6, multiplied and divided in any order, and x * HardSigmoid(x, 1/6, 0.5)  become  HardSwish(x)   (ai.onnx 14)
 * PyTorch before opset 14, PaddleOCR and TensorFlow export the chain. Only where nothing else reads what lies between.
 */
export const canonicalHardSwish = definePass({
  name: 'canonical-hard-swish',
  phase: 'canonical',
  after: ['canonical-hard-sigmoid'],
  apply(graph, context) {
    if (context.opset < 14) return 0
    let changes = 0
    for (const last of graph.nodes) {
      if (!isOp(last, 'Mul', 'Div') || graph.producer(last.outputs[0]!) !== last) continue
      const found = matchChain(graph, last, context) ?? matchHardSigmoid(graph, last)
      if (found === undefined) continue
      const node = makeNode({ name: last.name, opType: 'HardSwish', inputs: [found.input], outputs: last.outputs })
      graph.replaceNode(last, node)
      graph.removeNodes(found.between)
      for (const { outputs } of found.between) graph.valueInfo.delete(outputs[0]!)
      changes += 1
    }
    return changes
  },
})

interface Match {
  readonly input: string
  /** Nodes that go with the last one. */
  readonly between: readonly Node[]
}

/**
 * Takes the product that ends at `last` apart into x, Clip(x + 3, 0, 6) and a number, following factors that nothing else reads; they must be one
 * each, and the number 1/6.
 */
function matchChain(graph: Graph, last: Node, context: PassContext): Match | undefined {
  const between: Node[] = []
  const plain: string[] = []
  let clip: ReturnType<typeof shiftedClip>
  let number = 1
  const open = [last]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const scaled = scaledBy(graph, node, context)
    if (scaled === undefined && isOp(node, 'Div')) return undefined
    number *= scaled?.[1] ?? 1
    for (const factor of scaled === undefined ? node.inputs : [scaled[0]]) {
      const producer = graph.producer(factor)
      const alone = graph.soleConsumer(factor) === node && !(node.inputs[0] === node.inputs[1])
      const shifted = alone ? shiftedClip(graph, factor, context) : undefined
      if (shifted !== undefined && clip === undefined) clip = shifted
      else if (alone && (isOp(producer, 'Mul') || scaledBy(graph, producer, context) !== undefined) && between.length < 3) {
        between.push(producer!)
        open.push(producer!)
      } else plain.push(factor)
    }
    if (plain.length > 1) return undefined
  }
  if (clip === undefined || plain.length !== 1 || plain[0] !== clip.input || !isNear(number, 1 / 6)) return undefined
  return { input: clip.input, between: [...between, clip.clip, clip.add] }
}

function matchHardSigmoid(graph: Graph, last: Node): Match | undefined {
  if (!isOp(last, 'Mul')) return undefined
  for (const [at, other] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const gate = graph.producer(last.inputs[at]!)
    if (!isOp(gate, 'HardSigmoid') || gate.inputs[0] !== last.inputs[other] || graph.soleConsumer(last.inputs[at]!) !== last) continue
    if (isNear(floatAttribute(gate, 'alpha', 0.2), 1 / 6) && floatAttribute(gate, 'beta', 0.5) === 0.5)
      return { input: gate.inputs[0]!, between: [gate] }
  }
  return undefined
}
