import type { Graph } from './graph.js'
import { type Attribute, changeNode, type Node } from './node.js'
import { subgraphsOf } from './verify.js'

/** A copy of `graph` whose subgraphs are copies too: safe to edit at every level. Nodes and constants are shared where they hold no graph. */
export function cloneDeep(graph: Graph): Graph {
  const copy = graph.clone()
  copy.setNodes(copy.nodes.map(node => mapSubgraphs(node, cloneDeep)))
  return copy
}

/** `node` with each graph in its attributes replaced by what `map` makes of it; `node` itself when it has none. */
export function mapSubgraphs(node: Node, map: (graph: Graph) => Graph): Node {
  if (subgraphsOf(node).length === 0) return node
  const attributes = new Map<string, Attribute>()
  for (const [name, attribute] of node.attributes) {
    if (attribute.kind === 'graph') attributes.set(name, Object.freeze({ ...attribute, value: map(attribute.value) }))
    else if (attribute.kind === 'graphs') attributes.set(name, Object.freeze({ ...attribute, value: attribute.value.map(map) }))
    else attributes.set(name, attribute)
  }
  return Object.freeze({ ...node, attributes })
}

/** Makes every node of `graph` and of its subgraphs read `names.get(value)` in place of `value`. Graph outputs keep their names. */
export function redirectReads(graph: Graph, names: ReadonlyMap<string, string>): void {
  if (names.size === 0) return
  graph.setNodes(graph.nodes.map(node => redirected(node, names)))
}

function redirected(node: Node, names: ReadonlyMap<string, string>): Node {
  const inner = mapSubgraphs(node, graph => {
    const copy = graph.clone()
    redirectReads(copy, names)
    copy.setOutputs(copy.outputs.map(output => (names.has(output.name) ? { ...output, name: names.get(output.name)! } : output)))
    return copy
  })
  if (!inner.inputs.some(input => names.has(input))) return inner
  return Object.freeze({ ...inner, inputs: Object.freeze(inner.inputs.map(input => names.get(input) ?? input)) })
}

/**
 * Takes out nodes whose output (key) always equals one of their inputs (value): readers read that input. Where the output is a result of the graph,
 * the producer of the input takes its name; where there is none to rename (an input, a constant, a value from outside), the node stays.
 * @returns how many nodes are gone
 */
export function bypassNodes(graph: Graph, same: ReadonlyMap<string, string>): number {
  const resolve = (value: string): string => {
    let at = value
    for (let next = same.get(at); next !== undefined; next = same.get(at)) at = next
    return at
  }
  const reads = new Map<string, string>()
  const renamed = new Map<string, string>()
  const gone = new Set<Node>()
  for (const output of same.keys()) {
    const node = graph.producer(output)
    const target = resolve(output)
    if (node === undefined) continue
    if (!graph.isOutput(output)) {
      reads.set(output, target)
      gone.add(node)
    } else if (graph.producer(target) !== undefined && !graph.isOutput(target) && !renamed.has(target)) {
      renamed.set(target, output)
      gone.add(node)
    }
  }
  if (gone.size === 0) return 0
  for (const [output, target] of reads) reads.set(output, renamed.get(target) ?? target)
  for (const [target, output] of renamed) reads.set(target, output)
  graph.setNodes(
    graph.nodes
      .filter(node => !gone.has(node))
      .map(node => (node.outputs.some(output => renamed.has(output)) ? changeOutputs(node, renamed) : node)),
  )
  redirectReads(graph, reads)
  for (const value of reads.keys()) graph.valueInfo.delete(value)
  return gone.size
}

function changeOutputs(node: Node, names: ReadonlyMap<string, string>): Node {
  return Object.freeze({ ...node, outputs: Object.freeze(node.outputs.map(output => names.get(output) ?? output)) })
}

/** `node` without some attributes and with others set. */
export function changeAttributes(
  node: Node,
  { drop = [], set = {} }: { drop?: readonly string[]; set?: Readonly<Record<string, Attribute>> },
): Node {
  const attributes = new Map(node.attributes)
  for (const name of drop) attributes.delete(name)
  for (const [name, attribute] of Object.entries(set)) attributes.set(name, attribute)
  return changeNode(node, { attributes })
}
