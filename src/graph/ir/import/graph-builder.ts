import { Graph, type ValueInfo } from '../../graph.js'
import { type Attribute, makeNode, type Node } from '../../node.js'
import type { ConstantTensor } from '../../tensor/tensor.js'

/** Gathers the nodes and constants of a graph that is read from an IR file. */
export class GraphBuilder {
  readonly #nodes: Node[] = []
  readonly #producers = new Map<string, Node>()
  readonly #constants = new Map<string, ConstantTensor>()
  readonly #names = new Set<string>()

  /** A value name that nobody has yet. */
  valueName(base: string): string {
    let name = base
    for (let suffix = 1; this.#names.has(name); suffix += 1) name = `${base}_${suffix}`
    this.#names.add(name)
    return name
  }

  nodeName(base: string): string {
    return this.valueName(`node:${base}`).slice('node:'.length)
  }

  constant(value: string): ConstantTensor | undefined {
    return this.#constants.get(value)
  }

  setConstant(value: string, tensor: ConstantTensor): void {
    this.#constants.set(value, tensor)
  }

  addConstant(base: string, tensor: ConstantTensor): string {
    const name = this.valueName(base)
    this.#constants.set(name, tensor)
    return name
  }

  addNode(fields: {
    readonly name: string
    readonly opType: string
    readonly inputs: readonly string[]
    readonly attributes?: Readonly<Record<string, Attribute>>
  }): string {
    const output = this.valueName(fields.name)
    this.push(makeNode({ ...fields, name: this.nodeName(fields.name), outputs: [output] }))
    return output
  }

  producer(value: string): Node | undefined {
    return this.#producers.get(value)
  }

  push(node: Node): void {
    this.#nodes.push(node)
    for (const output of node.outputs) this.#producers.set(output, node)
  }

  finish({
    name,
    inputs,
    outputs,
  }: {
    readonly name: string
    readonly inputs: readonly ValueInfo[]
    readonly outputs: readonly ValueInfo[]
  }): Graph {
    // What a translation absorbed (the Convert of compressed weights) and what reaches no result is left out, as OpenVINO's reader does.
    const read = new Set(outputs.map(output => output.name))
    const nodes = [...this.#nodes].reverse().filter(node => {
      const isRead = node.outputs.some(output => read.has(output))
      if (isRead) for (const input of node.inputs) read.add(input)
      return isRead
    })
    const initializers = new Map([...this.#constants].filter(([value]) => read.has(value)))
    return new Graph({ name, nodes: nodes.reverse(), inputs, outputs, initializers })
  }
}
