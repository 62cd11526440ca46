import { invariant } from '../errors.js'
import { cloneDeep, redirectReads, renameValues } from './edit.js'
import { capturesOf, type Graph, type Model, readsOf } from './graph.js'
import { type Attribute, isOp, makeNode, type Node } from './node.js'
import { subgraphsOf } from './verify.js'

export const branchNames = ['then_branch', 'else_branch'] as const
export type BranchName = (typeof branchNames)[number]

/** An If whose one branch stands in the graph around it: what `refoldBranch` needs to put it back. */
export interface UnfoldedBranch {
  readonly node: Node
  readonly branch: BranchName
  /** Names of the Identity nodes through which values from around enter, and of those through which results leave, one per output of the If. */
  readonly entries: ReadonlySet<string>
  readonly exits: readonly string[]
}

/** The graph in one branch of an If, if it has one there. */
export function branchOf(node: Node, branch: BranchName): Graph | undefined {
  const attribute = node.attributes.get(branch)
  return isOp(node, 'If') && attribute?.kind === 'graph' ? attribute.value : undefined
}

/**
 * The model as it runs when the If `node` of its main graph takes `branch`: the nodes of that branch stand in the main graph, under their names where nobody else
 * has them. Everything that enters the branches or leaves them passes an Identity, so that rewrites do not reach across: `refoldBranch` can put the If back after
 * what stands between was rewritten. `model` is not changed; no name of it may be shadowed (`unshadow`).
 */
export function unfoldBranch(model: Model, node: Node, branch: BranchName): { readonly model: Model; readonly unfolded: UnfoldedBranch } {
  const taken = branchOf(node, branch)
  invariant(taken !== undefined && taken.outputs.length === node.outputs.length, `node '${node.name}' has no ${branch}`)
  const graph = model.graph.clone()
  // Without the branch its names count as free; those of the other one do not, which comes back beside it.
  graph.replaceNode(node, withoutBranch(node, branch))
  const inside = cloneDeep(taken)
  const own = [...inside.initializers.keys(), ...inside.nodes.flatMap(({ outputs }) => outputs)].filter(name => name !== '')
  renameValues(inside, new Map(own.map(name => [name, graph.uniqueName(name)] as const).filter(([from, to]) => from !== to)))
  const entries = new Map<string, Node>()
  for (const value of subgraphsOf(node).flatMap(capturesOf)) {
    if (graph.initializers.has(value) || graph.opaqueConstants.has(value) || entries.has(value)) continue
    const name = graph.uniqueName(`${node.name}/enter/${value}`)
    entries.set(value, makeNode({ name, opType: 'Identity', inputs: [value], outputs: [name] }))
  }
  const entered = new Map([...entries].map(([value, { name }]) => [value, name]))
  redirectReads(inside, entered)
  const exits = inside.outputs.map(({ name }, index) =>
    makeNode({
      name: graph.uniqueName(`${node.name}/leave/${index}`),
      opType: 'Identity',
      inputs: [entered.get(name) ?? name],
      outputs: [node.outputs[index] || graph.uniqueName(`${node.name}/${index}`)],
    }),
  )
  const elsewhere = nodeNames(graph)
  const named = inside.nodes.map(each => (elsewhere.has(each.name) ? Object.freeze({ ...each, name: graph.uniqueName(each.name) }) : each))
  for (const [name, tensor] of inside.initializers) graph.initializers.set(name, tensor)
  for (const [name, info] of inside.valueInfo) graph.valueInfo.set(name, info)
  graph.setNodes(graph.nodes.flatMap(each => (each.name === node.name ? [...entries.values(), ...named, ...exits] : [each])))
  return {
    model: { ...model, graph },
    unfolded: {
      node,
      branch,
      entries: new Set([...entries.values()].map(({ name }) => name)),
      exits: exits.map(({ name }) => name),
    },
  }
}

/**
 * Puts the If of `unfolded` back: all that its results need stands in its branch again, down to the Identity nodes where values enter. Constants that nothing
 * else reads go with it. The other branch is as it was. `model` is not changed.
 */
export function refoldBranch(model: Model, { node, branch, entries, exits }: UnfoldedBranch): Model {
  const graph = model.graph.clone()
  const byName = new Map(graph.nodes.map(each => [each.name, each]))
  const moved = new Set<Node>()
  const visit = (each: Node | undefined): void => {
    if (each === undefined || moved.has(each)) return
    moved.add(each)
    if (!entries.has(each.name)) for (const value of readsOf(each)) visit(graph.producer(value))
  }
  const leaving = exits.map(exit => byName.get(exit)!)
  for (const each of leaving) visit(each)
  const results = new Map(leaving.map(each => [each, graph.uniqueName(each.name)]))
  const inside = branchOf(node, branch)!.clone()
  inside.setNodes(
    graph.nodes
      .filter(each => moved.has(each))
      .map(each => (results.has(each) ? Object.freeze({ ...each, outputs: Object.freeze([results.get(each)!]) }) : each)),
  )
  inside.setOutputs(inside.outputs.map((info, index) => ({ ...info, name: results.get(leaving[index]!)! })))
  inside.valueInfo.clear()
  inside.initializers.clear()
  const readInside = new Set(inside.nodes.flatMap(readsOf))
  // What nothing needs is lost where it reads values that are inside again.
  const away = new Set([...moved].flatMap(each => (results.has(each) ? [] : each.outputs)))
  const rest = graph.nodes.filter(each => {
    if (moved.has(each) || entries.has(each.name)) return false
    if (!readsOf(each).some(value => away.has(value))) return true
    for (const output of each.outputs) away.add(output)
    return false
  })
  const readOutside = new Set([...rest.flatMap(readsOf), ...graph.outputs.map(({ name }) => name)])
  const other = subgraphsOf(withoutBranch(node, branch)).flatMap(capturesOf)
  for (const value of other) readOutside.add(value)
  for (const [name, tensor] of graph.initializers) {
    if (!readInside.has(name) || readOutside.has(name)) continue
    inside.initializers.set(name, tensor)
    graph.initializers.delete(name)
  }
  for (const value of inside.nodes.flatMap(({ outputs }) => outputs)) {
    const info = graph.valueInfo.get(value)
    if (info !== undefined) inside.valueInfo.set(value, info)
    graph.valueInfo.delete(value)
  }
  const attributes = new Map<string, Attribute>(node.attributes)
  attributes.set(branch, Object.freeze({ kind: 'graph', value: inside }))
  graph.setNodes([...rest, Object.freeze({ ...node, attributes })])
  graph.sortTopologically()
  return { ...model, graph }
}

function withoutBranch(node: Node, branch: BranchName): Node {
  const attributes = new Map(node.attributes)
  attributes.delete(branch)
  return Object.freeze({ ...node, attributes })
}

/** Names of the nodes of `graph` at all levels. */
function nodeNames(graph: Graph, names = new Set<string>()): ReadonlySet<string> {
  for (const node of graph.nodes) {
    names.add(node.name)
    for (const inner of subgraphsOf(node)) nodeNames(inner, names)
  }
  return names
}
