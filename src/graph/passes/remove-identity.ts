import { bypassNodes } from '../edit.js'
import type { Graph } from '../graph.js'
import { intAttribute, intsAttribute, isOp, type Node } from '../node.js'
import { type Facts, numbersOf } from '../ops/facts.js'
import { dtypeFromOnnx } from '../tensor/dtype.js'
import { definePass, type PassContext } from './define-pass.js'
import { scalarOf } from './scalar-of.js'

/**
 * y = f(x) where f changes nothing  becomes  x wherever y was read:
 * Identity, Dropout at inference, Cast to the type it has, Transpose in order, Pad by zeros, Sum, Mean, Max, Min, Concat of one input, and
 * Mul or Div by 1, Add or Sub of 0 (the slope of a swish, the shift of a normalization).
 */
export const removeIdentity = definePass({
  name: 'remove-identity',
  phase: 'import',
  after: ['constants-to-initializers'],
  apply(graph, context) {
    const facts = context.facts(graph)
    const same = new Map<string, string>()
    for (const node of graph.nodes) {
      const [input = '', output = ''] = [node.inputs[0], node.outputs[0]]
      if (input === '' || output === '') continue
      const kept = neutralOperand(node, { graph, context, facts }) ?? (changesNothing(node, { graph, context, facts }) ? input : undefined)
      if (kept !== undefined) same.set(output, kept)
    }
    return bypassNodes(graph, same)
  },
})

interface Sight {
  readonly graph: Graph
  readonly context: PassContext
  readonly facts: (value: string) => Facts
}

/** The input that comes through unchanged because the other is a neutral constant of rank 0, or of rank 1 where the input has at least that. */
function neutralOperand(node: Node, { graph, context, facts }: Sight): string | undefined {
  const neutral = isOp(node, 'Mul', 'Div') ? 1 : isOp(node, 'Add', 'Sub') ? 0 : undefined
  if (neutral === undefined) return undefined
  const [first = '', second = ''] = node.inputs
  const isNeutral = (value: string, other: string): boolean => {
    const rank = context.constant(graph, value)?.shape.length ?? Number.POSITIVE_INFINITY
    return scalarOf(graph, value, context) === neutral && (rank === 0 || (facts(other).shape?.length ?? 0) >= rank)
  }
  if (isNeutral(second, first)) return first
  return !isOp(node, 'Div', 'Sub') && isNeutral(first, second) ? second : undefined
}

function changesNothing(node: Node, { graph, context, facts }: Sight): boolean {
  if (isOp(node, 'Identity')) return true
  if (isOp(node, 'Sum', 'Mean', 'Max', 'Min', 'Concat')) return node.inputs.length === 1
  if (isOp(node, 'Transpose')) return intsAttribute(node, 'perm')?.every((axis, at) => axis === at) === true
  if (isOp(node, 'Cast')) {
    const { dtype } = facts(node.inputs[0]!)
    return dtype !== undefined && dtype === dtypeFromOnnx(intAttribute(node, 'to', 0))
  }
  if (isOp(node, 'Dropout')) {
    if ((node.outputs[1] ?? '') !== '') return false
    const training = node.inputs[2] ?? ''
    if (training === '') return true
    const flag = context.constant(graph, training)
    return flag !== undefined && numbersOf(flag, 1)?.[0] === 0
  }
  if (isOp(node, 'Pad')) {
    const tensor = context.constant(graph, node.inputs[1] ?? '')
    const pads = intsAttribute(node, 'pads') ?? (tensor === undefined ? undefined : numbersOf(tensor, 64))
    return pads !== undefined && pads.length > 0 && pads.every(size => size === 0)
  }
  return false
}
