import { cloneDeep, renameValues } from '../edit.js'
import type { Graph } from '../graph.js'
import { isOp, makeNode, type Node } from '../node.js'
import { numbersOf } from '../ops/facts.js'
import { definePass, type PassContext } from './define-pass.js'

/**
 * If(constant)  becomes  the nodes of the branch it takes, under the names of its outputs.
 * PyTorch exports a squeeze of a size that it does not know as an If on the shape, which `fold-shapes` decides where the size is declared.
 */
export const inlineIf = definePass({
  name: 'inline-if',
  phase: 'fold',
  after: ['fold-constants', 'fold-shapes'],
  apply(graph, context) {
    let changes = 0
    for (const node of graph.nodes) {
      const branch = branchOf(graph, node, context)
      if (branch === undefined) continue
      const nodes = inlined(graph, { branch: cloneDeep(branch), outputs: node.outputs, context })
      graph.replaceNode(node, nodes[0] ?? node)
      graph.replaceNodes(nodes.slice(0, 1), nodes)
      changes += 1
    }
    return changes
  },
})

function branchOf(graph: Graph, node: Node, context: PassContext): Graph | undefined {
  if (!isOp(node, 'If')) return undefined
  const condition = context.constant(graph, node.inputs[0] ?? '')
  const flag = condition?.dtype === 'bool' ? numbersOf(condition, 1)?.[0] : undefined
  if (flag === undefined) return undefined
  const attribute = node.attributes.get(flag !== 0 ? 'then_branch' : 'else_branch')
  if (attribute?.kind !== 'graph') return undefined
  const { inputs, opaqueConstants, outputs } = attribute.value
  return inputs.length === 0 && opaqueConstants.size === 0 && outputs.length === node.outputs.length ? attribute.value : undefined
}

/** Nodes of `branch` with names of their own; its constants move to `graph`. A result that no node of the branch makes, or twice, is copied by Identity. */
function inlined(
  graph: Graph,
  { branch, outputs, context }: { branch: Graph; outputs: readonly string[]; context: PassContext },
): readonly Node[] {
  const made = new Set(branch.nodes.flatMap(node => node.outputs).filter(value => value !== ''))
  const results = new Map<string, string>()
  branch.outputs.forEach(({ name }, index) => {
    const output = outputs[index]!
    if (output !== '' && made.has(name) && !results.has(name)) results.set(name, output)
  })
  const inside = [...made, ...branch.initializers.keys()]
  renameValues(branch, new Map(inside.map(name => [name, results.get(name) ?? context.uniqueName(name)])))
  for (const [name, tensor] of branch.initializers) graph.initializers.set(name, tensor)
  const named = branch.nodes.map(node => Object.freeze({ ...node, name: context.uniqueName(node.name) }))
  const copies = branch.outputs.flatMap(({ name }, index) => {
    const output = outputs[index]!
    return output === '' || name === output
      ? []
      : [makeNode({ name: context.uniqueName(output), opType: 'Identity', inputs: [name], outputs: [output] })]
  })
  return [...named, ...copies]
}
