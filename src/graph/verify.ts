import { QuantdError } from '../errors.js'
import { type Graph, readsOf } from './graph.js'
import type { Node } from './node.js'
import { dtypes } from './tensor/dtype.js'
import { elementCount } from './tensor/tensor.js'

/**
 * Holds a graph to what every pass and engine relies on: each value made once in its graph, everything read is made there or around it, no cycle,
 * producers first, constants as long as type and shape say. Subgraphs are verified inside their surroundings, whose names they may shadow.
 * @throws ERR_GRAPH_PRODUCER, ERR_GRAPH_INPUT, ERR_GRAPH_OUTPUT, ERR_GRAPH_CYCLE, ERR_GRAPH_ORDER, ERR_GRAPH_TYPE, naming node and value
 */
export function verifyGraph(graph: Graph): void {
  verifyNames(graph)
  verifyOrder(graph)
  verifyConstants(graph)
}

/** The part of `verifyGraph` that a file can break before its nodes are sorted: names and cycles. */
export function verifyNames(graph: Graph): void {
  verifyScope(graph, () => false)
}

/** Each value of this graph is made once and no node waits for itself; what it reads from outside is not asked for. */
export function verifySortable(graph: Graph): void {
  definedBy(graph)
  verifyAcyclic(graph)
}

/** Names that `graph` makes. */
function definedBy(graph: Graph): ReadonlySet<string> {
  const defined = new Set<string>()
  const define = (value: string, where: string, node?: Node): void => {
    if (defined.has(value)) {
      throw new QuantdError('ERR_GRAPH_PRODUCER', `${where}: value '${value}' is already made elsewhere`, {
        details: { value, ...(node === undefined ? {} : { node: node.name }) },
      })
    }
    defined.add(value)
  }
  for (const { name } of graph.inputs) define(name, `graph '${graph.name}', inputs`)
  for (const name of graph.initializers.keys()) define(name, `graph '${graph.name}', initializers`)
  for (const name of graph.opaqueConstants.keys()) define(name, `graph '${graph.name}', initializers`)
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== '') define(output, `node '${node.name}'`, node)
  return defined
}

function verifyScope(graph: Graph, outer: (value: string) => boolean): void {
  const defined = definedBy(graph)
  const isVisible = (value: string): boolean => defined.has(value) || outer(value)
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      if (input !== '' && !isVisible(input)) {
        throw new QuantdError('ERR_GRAPH_INPUT', `node '${node.name}' (${node.opType}): nothing makes its input '${input}'`, {
          details: { node: node.name, value: input },
        })
      }
    }
  }
  for (const { name } of graph.outputs) {
    if (!isVisible(name)) {
      throw new QuantdError('ERR_GRAPH_OUTPUT', `graph '${graph.name}': nothing makes its output '${name}'`, { details: { value: name } })
    }
  }
  verifyAcyclic(graph)
  for (const node of graph.nodes) for (const inner of subgraphsOf(node)) verifyScope(inner, isVisible)
}

/** Graphs that stand in attributes of `node`. */
export function subgraphsOf(node: Node): readonly Graph[] {
  const graphs: Graph[] = []
  for (const attribute of node.attributes.values()) {
    if (attribute.kind === 'graph') graphs.push(attribute.value)
    if (attribute.kind === 'graphs') graphs.push(...attribute.value)
  }
  return graphs
}

/** Kahn's algorithm over values not made yet: what stays is in a cycle or behind one. */
function verifyAcyclic(graph: Graph): void {
  const producers = new Map<string, Node>()
  for (const node of graph.nodes) for (const output of node.outputs) if (output !== '') producers.set(output, node)
  const waiting = new Map<Node, number>()
  const readers = new Map<Node, Node[]>()
  for (const node of graph.nodes) {
    const needs = new Set(readsOf(node).flatMap(value => producers.get(value) ?? []))
    waiting.set(node, needs.size)
    for (const need of needs) {
      const list = readers.get(need)
      if (list === undefined) readers.set(need, [node])
      else list.push(node)
    }
  }
  const ready = graph.nodes.filter(node => waiting.get(node) === 0)
  let done = 0
  for (let node = ready.pop(); node !== undefined; node = ready.pop()) {
    done += 1
    for (const reader of readers.get(node) ?? []) {
      const left = waiting.get(reader)! - 1
      waiting.set(reader, left)
      if (left === 0) ready.push(reader)
    }
  }
  if (done === graph.nodes.length) return
  const stuck = graph.nodes.find(node => waiting.get(node)! > 0)!
  throw new QuantdError('ERR_GRAPH_CYCLE', `node '${stuck.name}' (${stuck.opType}): waits for its own result`, {
    details: { node: stuck.name },
  })
}

/** True when every node stands behind the producers of what it reads. */
export function isSorted(graph: Graph): boolean {
  return firstOutOfOrder(graph) === undefined
}

function firstOutOfOrder(graph: Graph): Node | undefined {
  const later = new Set(graph.nodes.flatMap(node => node.outputs))
  for (const node of graph.nodes) {
    if (readsOf(node).some(value => later.has(value))) return node
    for (const output of node.outputs) later.delete(output)
  }
  return undefined
}

function verifyOrder(graph: Graph): void {
  const node = firstOutOfOrder(graph)
  if (node !== undefined) {
    throw new QuantdError('ERR_GRAPH_ORDER', `node '${node.name}' (${node.opType}): stands before the producer of one of its inputs`, {
      details: { node: node.name },
    })
  }
  for (const each of graph.nodes) for (const inner of subgraphsOf(each)) verifyOrder(inner)
}

function verifyConstants(graph: Graph): void {
  for (const [name, { dtype, shape, bytes, strings }] of graph.initializers) {
    const elements = elementCount(shape)
    const whole = dtype === 'string' ? strings?.length === elements : bytes.byteLength === Math.ceil((elements * dtypes[dtype].bits) / 8)
    if (!whole) {
      throw new QuantdError('ERR_GRAPH_TYPE', `initializer '${name}': ${bytes.byteLength} bytes for ${dtype}[${shape.join()}]`, {
        details: { value: name, dtype, shape },
      })
    }
  }
  for (const node of graph.nodes) for (const inner of subgraphsOf(node)) verifyConstants(inner)
}
