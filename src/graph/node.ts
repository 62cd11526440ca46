import type { Graph } from './graph.js'
import type { AttributeProto, NodeProto } from './onnx/generated/onnx_pb.js'
import type { ConstantTensor } from './tensor/tensor.js'

/**
 * An attribute value of a node, by its ONNX kind. `opaque` (sparse tensors, types, references of functions) is only carried through.
 * `source` is what the file said: while an attribute is kept, it is written back bit for bit (int64 beyond 2^53, strings that are not UTF-8,
 * documentation); whoever changes a value makes a new attribute without it.
 */
export type Attribute = { readonly source?: AttributeProto } & AttributeValue

export type AttributeValue =
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'tensor'; readonly value: ConstantTensor }
  | { readonly kind: 'graph'; readonly value: Graph }
  | { readonly kind: 'graphs'; readonly value: readonly Graph[] }
  | { readonly kind: 'opaque'; readonly value: unknown }

/** One operator call. Plain frozen data: an edit replaces it (`Graph.replaceNode`). An absent optional input or output is ''. */
export interface Node {
  /** Unique within its graph; made up by the reader where the file has none or repeats one. */
  readonly name: string
  /** True where the reader made the name up: the file's own (empty or repeated) name is written back. */
  readonly nameIsMade?: boolean
  readonly opType: string
  /** '' is ai.onnx. */
  readonly domain: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: ReadonlyMap<string, Attribute>
  /** What the file said, for fields that `Node` does not know: written back as it was. */
  readonly source?: NodeProto
}

export interface NodeFields {
  readonly name: string
  readonly opType: string
  readonly domain?: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes?: Readonly<Record<string, Attribute>> | ReadonlyMap<string, Attribute>
  readonly source?: NodeProto | undefined
}

export function makeNode({ name, opType, domain = '', inputs, outputs, attributes = {}, source }: NodeFields): Node {
  return Object.freeze({
    name,
    opType,
    domain,
    inputs: Object.freeze([...inputs]),
    outputs: Object.freeze([...outputs]),
    attributes: attributes instanceof Map ? attributes : new Map(Object.entries(attributes)),
    ...(source === undefined ? {} : { source }),
  })
}

export const int = (value: number): Attribute => ({ kind: 'int', value })
export const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value })
export const float = (value: number): Attribute => ({ kind: 'float', value })
export const string = (value: string): Attribute => ({ kind: 'string', value })

/** `node` with other fields. */
export function changeNode(node: Node, fields: Partial<NodeFields>): Node {
  return makeNode({ ...node, ...fields })
}

/** The integer attribute `name`, or `fallback` when the node does not carry it. */
export function intAttribute(node: Node, name: string, fallback: number): number {
  const attribute = node.attributes.get(name)
  return attribute?.kind === 'int' ? attribute.value : fallback
}

export function floatAttribute(node: Node, name: string, fallback: number): number {
  const attribute = node.attributes.get(name)
  return attribute?.kind === 'float' ? attribute.value : fallback
}

export function stringAttribute(node: Node, name: string, fallback: string): string {
  const attribute = node.attributes.get(name)
  return attribute?.kind === 'string' ? attribute.value : fallback
}

/** The integer list `name`, or undefined when the node does not carry it. */
export function intsAttribute(node: Node, name: string): readonly number[] | undefined {
  const attribute = node.attributes.get(name)
  return attribute?.kind === 'ints' ? attribute.value : undefined
}

/** True for an operator of ai.onnx with one of these names. */
export function isOp(node: Node, ...opTypes: readonly string[]): boolean
export function isOp(node: Node | undefined, ...opTypes: readonly string[]): node is Node
export function isOp(node: Node | undefined, ...opTypes: readonly string[]): boolean {
  return node !== undefined && (node.domain === '' || node.domain === 'ai.onnx') && opTypes.includes(node.opType)
}
