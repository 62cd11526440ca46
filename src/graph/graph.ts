import { invariant } from '../errors.js'
import type { Node } from './node.js'
import type { GraphProto, ModelProto, SparseTensorProto, TensorProto, ValueInfoProto } from './onnx/generated/onnx_pb.js'
import type { DType } from './tensor/dtype.js'
import type { ConstantTensor } from './tensor/tensor.js'

/** A dimension: a size, a name shared by equal sizes, or unknown. */
export type Dimension = number | string | undefined

/** Type and shape of a value as the file declares them. `shape` undefined = unknown rank; `dtype` undefined = not a tensor (sequence, map, optional). */
export interface ValueInfo {
  readonly name: string
  readonly dtype: DType | undefined
  readonly shape: readonly Dimension[] | undefined
  readonly source?: ValueInfoProto
}

/**
 * A graph and its editor: nodes in topological order, named values, constants as initializers. Nodes are frozen; every change goes through the
 * methods here, which keep producers, consumers and names right. Values captured by subgraphs (If, Loop, Scan) count as uses of their outer node.
 */
export class Graph {
  readonly name: string
  /** Inputs without those that only name an initializer (allowed before IR 4). */
  inputs: readonly ValueInfo[]
  outputs: readonly ValueInfo[]
  readonly initializers: Map<string, ConstantTensor>
  /** Declared types of inner values; may be incomplete. */
  readonly valueInfo: Map<string, ValueInfo>
  /** Declared inputs that only name an initializer (its overridable default): not fed, written back. */
  defaults: readonly ValueInfo[]
  /** Constants that this build cannot read (sparse, element types of later versions), by name: written back as they were. */
  readonly opaqueConstants: ReadonlyMap<string, TensorProto | SparseTensorProto>
  readonly source: GraphProto | undefined
  #nodes: Node[]
  #index: { producers: Map<string, Node>; consumers: Map<string, Node[]>; outputs: Set<string> } | undefined
  #taken: Set<string> | undefined

  constructor(fields: {
    name: string
    nodes: readonly Node[]
    inputs: readonly ValueInfo[]
    outputs: readonly ValueInfo[]
    initializers?: ReadonlyMap<string, ConstantTensor>
    valueInfo?: ReadonlyMap<string, ValueInfo>
    defaults?: readonly ValueInfo[]
    opaqueConstants?: ReadonlyMap<string, TensorProto | SparseTensorProto>
    source?: GraphProto
  }) {
    this.name = fields.name
    this.#nodes = [...fields.nodes]
    this.inputs = fields.inputs
    this.outputs = fields.outputs
    this.initializers = new Map(fields.initializers)
    this.valueInfo = new Map(fields.valueInfo)
    this.defaults = fields.defaults ?? []
    this.opaqueConstants = fields.opaqueConstants ?? new Map()
    this.source = fields.source
  }

  get nodes(): readonly Node[] {
    return this.#nodes
  }

  /** An independent graph with the same frozen nodes and shared constants. Subgraphs inside attributes are shared: clone them before editing. */
  clone(): Graph {
    return new Graph({
      name: this.name,
      nodes: this.#nodes,
      inputs: this.inputs,
      outputs: this.outputs,
      initializers: this.initializers,
      valueInfo: this.valueInfo,
      defaults: this.defaults,
      opaqueConstants: this.opaqueConstants,
      ...(this.source === undefined ? {} : { source: this.source }),
    })
  }

  /** The node that computes `value`; undefined for inputs, initializers and values of an outer graph. */
  producer(value: string): Node | undefined {
    return this.#indexed().producers.get(value)
  }

  /** Nodes that read `value`, directly or inside a subgraph, once each, in graph order. */
  consumers(value: string): readonly Node[] {
    return this.#indexed().consumers.get(value) ?? []
  }

  isOutput(value: string): boolean {
    return this.#indexed().outputs.has(value)
  }

  /** The only consumer of `value`, if it has exactly one and is no graph output. */
  soleConsumer(value: string): Node | undefined {
    const consumers = this.consumers(value)
    return consumers.length === 1 && !this.isOutput(value) ? consumers[0] : undefined
  }

  constant(value: string): ConstantTensor | undefined {
    return this.initializers.get(value)
  }

  /** A value or node name that this graph does not use yet, from `base`. */
  uniqueName(base: string): string {
    this.#taken ??= namesOf(this)
    let name = base
    for (let suffix = 1; this.#taken.has(name); suffix += 1) name = `${base}_${suffix}`
    this.#taken.add(name)
    return name
  }

  /** Adds a constant under a fresh name made from `base` and returns that name. */
  addConstant(base: string, tensor: ConstantTensor): string {
    const name = this.uniqueName(base)
    this.initializers.set(name, tensor)
    return name
  }

  /** Puts `added` in place of `removed`, at the position of the first removed node (so that order stays topological where inputs allow it). */
  replaceNodes(removed: readonly Node[], added: readonly Node[]): void {
    const gone = new Set(removed)
    const at = this.#nodes.findIndex(node => gone.has(node))
    invariant(at >= 0 || removed.length === 0, 'nodes to replace are not in the graph')
    const before = removed.length === 0 ? this.#nodes.length : at
    const rest = this.#nodes.filter(node => !gone.has(node))
    this.setNodes([...rest.slice(0, before), ...added, ...rest.slice(before)])
  }

  replaceNode(old: Node, node: Node): void {
    this.replaceNodes([old], [node])
  }

  removeNodes(removed: readonly Node[]): void {
    const gone = new Set(removed)
    this.setNodes(this.#nodes.filter(node => !gone.has(node)))
  }

  /** All nodes at once: for passes that rebuild the list. Call `sortTopologically` when the order may have broken. */
  setNodes(nodes: readonly Node[]): void {
    this.#nodes = [...nodes]
    this.#index = undefined
  }

  setOutputs(outputs: readonly ValueInfo[]): void {
    this.outputs = outputs
    this.#index = undefined
  }

  /** Makes every reader of `from` in this graph's own nodes read `to`. Graph outputs keep their name. */
  redirect(from: string, to: string): void {
    this.setNodes(
      this.#nodes.map(node =>
        node.inputs.includes(from)
          ? Object.freeze({ ...node, inputs: Object.freeze(node.inputs.map(input => (input === from ? to : input))) })
          : node,
      ),
    )
  }

  /** Reorders nodes so that producers come first, otherwise keeping their order. @throws ERR_INTERNAL on a cycle */
  sortTopologically(): void {
    const { producers } = this.#indexed()
    const sorted: Node[] = []
    const state = new Map<Node, 'open' | 'done'>()
    for (const root of this.#nodes) {
      const stack: { node: Node; reads: readonly string[]; at: number }[] = []
      const enter = (node: Node) => {
        invariant(state.get(node) !== 'open', `cycle through node '${node.name}'`)
        if (state.has(node)) return
        state.set(node, 'open')
        stack.push({ node, reads: readsOf(node), at: 0 })
      }
      enter(root)
      for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
        const value = top.reads[top.at]
        top.at += 1
        if (value === undefined) {
          state.set(top.node, 'done')
          sorted.push(top.node)
          stack.pop()
          continue
        }
        const producer = producers.get(value)
        if (producer !== undefined) enter(producer)
      }
    }
    this.setNodes(sorted)
  }

  #indexed() {
    if (this.#index !== undefined) return this.#index
    const producers = new Map<string, Node>()
    const consumers = new Map<string, Node[]>()
    for (const node of this.#nodes) {
      for (const output of node.outputs) if (output !== '') producers.set(output, node)
      for (const value of new Set(readsOf(node))) {
        const list = consumers.get(value)
        if (list === undefined) consumers.set(value, [node])
        else list.push(node)
      }
    }
    this.#index = { producers, consumers, outputs: new Set(this.outputs.map(output => output.name)) }
    return this.#index
  }
}

/** Values that a node reads: its inputs and what its subgraphs capture from outside. */
export function readsOf(node: Node): readonly string[] {
  const reads = node.inputs.filter(input => input !== '')
  for (const attribute of node.attributes.values()) {
    const graphs = attribute.kind === 'graph' ? [attribute.value] : attribute.kind === 'graphs' ? attribute.value : []
    for (const graph of graphs) for (const value of capturesOf(graph)) reads.push(value)
  }
  return reads
}

/** Values of enclosing graphs that `graph` reads. */
export function capturesOf(graph: Graph): readonly string[] {
  const own = new Set<string>([...graph.inputs.map(input => input.name), ...graph.initializers.keys(), ...graph.opaqueConstants.keys()])
  for (const node of graph.nodes) for (const output of node.outputs) own.add(output)
  const read = [...graph.nodes.flatMap(node => readsOf(node)), ...graph.outputs.map(output => output.name)]
  return [...new Set(read)].filter(value => !own.has(value))
}

function namesOf(graph: Graph, names = new Set<string>()): Set<string> {
  for (const { name } of [...graph.inputs, ...graph.outputs]) names.add(name)
  for (const name of graph.initializers.keys()) names.add(name)
  for (const name of graph.opaqueConstants.keys()) names.add(name)
  for (const node of graph.nodes) {
    names.add(node.name)
    for (const output of node.outputs) names.add(output)
    for (const attribute of node.attributes.values()) {
      if (attribute.kind === 'graph') namesOf(attribute.value, names)
      if (attribute.kind === 'graphs') for (const inner of attribute.value) namesOf(inner, names)
    }
  }
  return names
}

/** A whole ONNX file: the graph with what stands around it. */
export interface Model {
  readonly irVersion: number
  /** Domain ('' = ai.onnx) -> opset version. */
  readonly opsets: ReadonlyMap<string, number>
  readonly graph: Graph
  /** Everything else of the file (producer, metadata, local functions, unknown fields), written back as it was. */
  readonly source?: ModelProto
}
