import type { Graph } from '../graph.js'
import { float, isOp, makeNode, type Node } from '../node.js'
import { definePass, type PassContext } from './define-pass.js'
import { isNear, scalarOf } from './scalar-of.js'

/**
 * Clip(x + 3, 0, 6) / 6  (or * 1/6)  becomes  HardSigmoid(x, alpha = 1/6, beta = 0.5)
 * Only where nothing else reads what lies between.
 */
export const canonicalHardSigmoid = definePass({
  name: 'canonical-hard-sigmoid',
  phase: 'canonical',
  apply(graph, context) {
    let changes = 0
    for (const scale of graph.nodes) {
      if (!isOp(scale, 'Div', 'Mul')) continue
      const [value, factor] = scaledBy(graph, scale, context) ?? []
      if (value === undefined || !isNear(factor, 1 / 6)) continue
      const chain = shiftedClip(graph, value, context)
      if (chain === undefined || graph.soleConsumer(value) !== scale) continue
      const attributes = { alpha: float(Math.fround(1 / 6)), beta: float(0.5) }
      const node = makeNode({ name: scale.name, opType: 'HardSigmoid', inputs: [chain.input], outputs: scale.outputs, attributes })
      graph.replaceNode(scale, node)
      graph.removeNodes([chain.clip, ...(graph.consumers(chain.add.outputs[0]!).length === 1 ? [chain.add] : [])])
      changes += 1
    }
    return changes
  },
})

/** The value and the number that `node` multiplies it by, when it is a Mul or Div with a constant of one element. */
export function scaledBy(graph: Graph, node: Node | undefined, context: PassContext): readonly [string, number] | undefined {
  const [first = '', second = ''] = node?.inputs ?? []
  if (isOp(node, 'Div')) {
    const divisor = scalarOf(graph, second, context)
    return divisor === undefined || divisor === 0 ? undefined : [first, 1 / divisor]
  }
  if (!isOp(node, 'Mul')) return undefined
  const right = scalarOf(graph, second, context)
  if (right !== undefined) return [first, right]
  const left = scalarOf(graph, first, context)
  return left === undefined ? undefined : [second, left]
}

/** The nodes and the input x of `value` = Clip(x + 3, 0, 6), where only the Clip reads the sum. */
export function shiftedClip(graph: Graph, value: string, context: PassContext): { input: string; add: Node; clip: Node } | undefined {
  const clip = graph.producer(value)
  if (!isOp(clip, 'Clip') || clip.attributes.size > 0) return undefined
  if (scalarOf(graph, clip.inputs[1] ?? '', context) !== 0 || scalarOf(graph, clip.inputs[2] ?? '', context) !== 6) return undefined
  const add = graph.producer(clip.inputs[0]!)
  if (!isOp(add, 'Add') || graph.soleConsumer(clip.inputs[0]!) !== clip) return undefined
  const [first = '', second = ''] = add.inputs
  if (scalarOf(graph, second, context) === 3) return { input: first, add, clip }
  return scalarOf(graph, first, context) === 3 ? { input: second, add, clip } : undefined
}
