import { QuantdError } from '../../../errors.js'
import type { Graph } from '../../graph.js'
import type { Node } from '../../node.js'
import type { DType } from '../../tensor/dtype.js'
import { type ConstantTensor, constantData } from '../../tensor/tensor.js'
import type { LayerFields, NetWriter, Source } from '../net-writer.js'

/** Shape of every value that the graph takes or computes, at one sample, where it is known. */
export type KnownShapes = ReadonlyMap<string, readonly number[]>

/** One node on its way into an IR net. */
export class ExportCall {
  readonly node: Node
  readonly net: NetWriter
  readonly graph: Graph
  readonly opset: number
  readonly #shapes: KnownShapes
  readonly #sources: Map<string, Source>
  readonly #dims: (value: string) => readonly number[]

  constructor(fields: {
    readonly node: Node
    readonly net: NetWriter
    readonly graph: Graph
    readonly opset: number
    readonly shapes: KnownShapes
    readonly sources: Map<string, Source>
    readonly dims: (value: string) => readonly number[]
  }) {
    this.node = fields.node
    this.net = fields.net
    this.graph = fields.graph
    this.opset = fields.opset
    this.#shapes = fields.shapes
    this.#sources = fields.sources
    this.#dims = fields.dims
  }

  has(index: number): boolean {
    const value = this.node.inputs[index]
    return value !== undefined && value !== ''
  }

  /** @throws ERR_IR_OP where the input is missing */
  input(index: number): Source {
    const value = this.node.inputs[index]
    if (value === undefined || value === '') throw this.refuse(`input ${index} is missing`)
    const known = this.#sources.get(value)
    if (known !== undefined) return known
    const tensor = this.graph.constant(value)
    if (tensor === undefined) throw this.refuse(`value '${value}' comes from outside of the graph`)
    const source = this.net.constant(value, tensor)
    this.#sources.set(value, source)
    return source
  }

  get inputs(): readonly Source[] {
    return this.node.inputs.map((_, index) => this.input(index))
  }

  constant(index: number): ConstantTensor | undefined {
    const value = this.node.inputs[index]
    return value === undefined || value === '' ? undefined : this.graph.constant(value)
  }

  /** Values of a constant input as numbers; undefined where the input is missing. @throws ERR_IR_OP where it is computed */
  numbers(index: number): readonly number[] | undefined {
    if (!this.has(index)) return undefined
    const tensor = this.constant(index)
    if (tensor === undefined) throw this.refuse(`input ${index} is computed, IR wants it constant`)
    return Array.from(constantData(tensor) as ArrayLike<number | bigint>, Number)
  }

  /** @throws ERR_IR_OP where nobody knows it */
  rank(index: number): number {
    const value = this.node.inputs[index] ?? ''
    const rank = this.#shapeOf(value)?.length ?? this.graph.valueInfo.get(value)?.shape?.length
    if (rank === undefined) throw this.refuse(`the rank of '${value}' is not known`)
    return rank
  }

  /** At one sample; undefined where nobody knows it. */
  shape(index: number): readonly number[] | undefined {
    return this.#shapeOf(this.node.inputs[index] ?? '')
  }

  /** Quantizers change no shape. */
  #shapeOf(value: string): readonly number[] | undefined {
    const known = this.graph.constant(value)?.shape ?? this.#shapes.get(value)
    if (known !== undefined) return known
    const producer = this.graph.producer(value)
    return producer !== undefined && ['FakeQuantize', 'DequantizeLinear', 'QuantizeLinear'].includes(producer.opType)
      ? this.#shapeOf(producer.inputs[0]!)
      : undefined
  }

  /** A layer within the translation of this node. */
  add(suffix: string, fields: Omit<LayerFields, 'name'>): Source {
    return this.net.add({ ...fields, name: `${this.node.name}/${suffix}` })
  }

  /** The layer that gives the node's first output. */
  result(fields: Omit<LayerFields, 'name' | 'outputs'> & { readonly dtype?: DType | undefined }): void {
    const { dtype = fields.inputs[0]?.dtype, ...layer } = fields
    const value = this.node.outputs[0]!
    this.bind(0, this.net.add({ ...layer, name: this.node.name, outputs: [{ dtype, dims: this.#dims(value), names: [value] }] }))
  }

  /** A layer whose outputs are all those of the node. */
  results(fields: Omit<LayerFields, 'name' | 'outputs'> & { readonly dtypes: readonly (DType | undefined)[] }): void {
    const { dtypes, ...layer } = fields
    const outputs = this.node.outputs.map((value, index) => ({
      dtype: dtypes[index],
      dims: this.#dims(value),
      names: value === '' ? [] : [value],
    }))
    this.net.addAll({ ...layer, name: this.node.name, outputs }).forEach((source, index) => {
      this.bind(index, source)
    })
  }

  /** From here on the node's output is `source`. */
  bind(index: number, source: Source): void {
    const value = this.node.outputs[index]
    if (value !== undefined && value !== '') this.#sources.set(value, source)
  }

  refuse(why: string): QuantdError {
    const { name, opType } = this.node
    return new QuantdError('ERR_IR_OP', `node '${name}' (${opType}): ${why}`, { details: { node: name, op: opType } })
  }
}

/** Writes the layers of one operator. */
export type ExportOp = (call: ExportCall) => void
