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
    const own = definedNames(graph)
    const visible = new Map([...names].filter(([from]) => !own.has(from)))
    const copy = graph.clone()
    redirectReads(copy, visible)
    copy.setOutputs(copy.outputs.map(output => (visible.has(output.name) ? { ...output, name: visible.get(output.name)! } : output)))
    return copy
  })
  if (!inner.inputs.some(input => names.has(input))) return inner
  return Object.freeze({ ...inner, inputs: Object.freeze(inner.inputs.map(input => names.get(input) ?? input)) })
}

/**
 * Gives values of subgraphs that have the name of a value around them a name of their own, so that rewrites may move reads across. `graph` must not
 * be shared (`cloneDeep`); it is changed and returned.
 */
export function unshadow(graph: Graph): Graph {
  unshadowInside(graph, { root: graph, outer: () => false })
  return graph
}

function unshadowInside(graph: Graph, { root, outer }: { root: Graph; outer: (value: string) => boolean }): void {
  const own = definedNames(graph)
  const isOuter = (value: string): boolean => own.has(value) || outer(value)
  for (const inner of graph.nodes.flatMap(subgraphsOf)) {
    const names = new Map([...definedNames(inner)].filter(isOuter).map(name => [name, root.uniqueName(name)]))
    if (names.size > 0) renameValues(inner, names)
    unshadowInside(inner, { root, outer: isOuter })
  }
  graph.setNodes(graph.nodes)
}

function definedNames(graph: Graph): ReadonlySet<string> {
  const names = [...graph.inputs.map(({ name }) => name), ...graph.initializers.keys(), ...graph.nodes.flatMap(({ outputs }) => outputs)]
  return new Set(names.filter(name => name !== ''))
}

/** Renames values that `graph` makes, where they are made, read, declared and returned. */
export function renameValues(graph: Graph, names: ReadonlyMap<string, string>): void {
  const renamed = (name: string): string => names.get(name) ?? name
  for (const [name, to] of names) {
    const tensor = graph.initializers.get(name)
    if (tensor !== undefined) graph.initializers.set(to, tensor)
    graph.initializers.delete(name)
    const info = graph.valueInfo.get(name)
    if (info !== undefined) graph.valueInfo.set(to, { ...info, name: to })
    graph.valueInfo.delete(name)
  }
  graph.inputs = graph.inputs.map(input => ({ ...input, name: renamed(input.name) }))
  graph.setOutputs(graph.outputs.map(output => ({ ...output, name: renamed(output.name) })))
  graph.setNodes(graph.nodes.map(node => changeOutputs(node, names)))
  redirectReads(graph, names)
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
