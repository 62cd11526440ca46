import type { Graph, Model } from '../../graph/graph.js'
import { type Attribute, int, ints, makeNode, type Node } from '../../graph/node.js'
import { type ConstantTensor, constant, elementCount } from '../../graph/tensor/tensor.js'
import type { Shapes } from '../placement/shapes.js'
import type { FigureKind, Piece } from './figures.js'
import type { StatisticsWanted } from './statistics.js'

/** Elements of a tensor that a quantile looks at, at most: larger tensors are read with a stride. */
const quantileElements = 32768

/** `sample`: one sample a run. `batch`: axis 0 of every value counts samples, and each of them is reduced by itself. */
export type Feeding = 'sample' | 'batch'

export interface ReductionOptions {
  readonly model: Model
  readonly shapes: Shapes
  readonly wanted: StatisticsWanted
  readonly feeding: Feeding
}

/** A model with reductions behind its values, and where their figures are. */
export interface Reduced {
  readonly model: Model
  /** Name of the added output: one vector; absent when nothing is wanted. */
  readonly output?: string
  /** What the vector is made of (`takeApart`). */
  readonly pieces: readonly Piece[]
}

/**
 * `model` with reduction nodes behind the wanted values, its own outputs kept: what leaves the engine per sample is two numbers per value and one per channel
 * (two where ranges of channels are wanted), never an activation.
 */
export function addReductions({ model, shapes, wanted, feeding }: ReductionOptions): Reduced {
  const builder = new Builder(model, feeding)
  const ends = (value: string): Ends => (wanted.nonNegative.has(value) ? 'high' : 'both')
  for (const value of wanted.reducers.includes('extremes') ? wanted.ranges : []) {
    builder.extremes(value, shapes.get(value)!.length, ends(value))
  }
  for (const value of wanted.reducers.includes('quantile') ? wanted.ranges : []) {
    builder.quantiles(value, { count: elementCount(shapes.get(value)!), share: wanted.quantile, ends: ends(value) })
  }
  for (const { value, axis } of wanted.channels ?? []) {
    builder.channelExtremes(value, { axis, shape: shapes.get(value)!, ends: ends(value) })
  }
  for (const { value, axis } of wanted.means) builder.channelMeans(value, axis, shapes.get(value)!)
  return builder.finish()
}

/** Which ends of a value are looked for; the high one stands in place of a low one that is not. */
type Ends = 'both' | 'high'

/** Nodes behind one value, and the vectors that they end in. */
interface Group {
  readonly nodes: Node[]
  readonly vectors: { readonly name: string; readonly piece: Piece }[]
}

class Builder {
  readonly #model: Model
  readonly #feeding: Feeding
  readonly #graph: Graph
  readonly #groups = new Map<string, Group>()
  readonly #lengths = new Map<FigureKind, number>()
  readonly #constants = new Map<string, string>()

  constructor(model: Model, feeding: Feeding) {
    this.#model = model
    this.#feeding = feeding
    this.#graph = model.graph.clone()
  }

  /** Smallest and largest element of each sample. */
  extremes(value: string, rank: number, ends: Ends): void {
    const axes = Array.from({ length: rank }, (_, axis) => axis).filter(axis => axis !== 0 || this.#feeding === 'sample')
    const reduced = (opType: string) => this.#vector(value, axes.length === 0 ? value : this.#reduce(opType, value, axes))
    this.#ends(value, { kind: 'extremes', length: 1, ends, low: () => reduced('ReduceMin'), high: () => reduced('ReduceMax') })
  }

  /** The k-th smallest and largest element of each sample, where k elements are the wanted share of those looked at. */
  quantiles(value: string, { count, share, ends }: { count: number; share: number; ends: Ends }): void {
    const stride = Math.max(1, Math.floor(count / quantileElements))
    const add: Add = (...node) => this.#add(value, ...node)
    const flat = add('Reshape', [value, this.#int64s(this.#feeding === 'sample' ? [1, -1] : [0, -1])])
    const every = [0, Number.MAX_SAFE_INTEGER, 1, stride].map(number => this.#int64s([number]))
    const looked = stride === 1 ? flat : add('Slice', [flat, ...every])
    const size = add('Slice', [add('Shape', [looked]), this.#int64s([1]), this.#int64s([2])])
    const k = add('Min', [this.#int64s([Math.max(1, Math.ceil((count / stride) * share))]), size])
    const kth = (largest: 0 | 1) => {
      const top = add('TopK', [looked, k], { largest: int(largest), sorted: int(1), axis: int(1) }, 2)
      return this.#vector(value, add('Slice', [top, this.#int64s([-1]), this.#int64s([Number.MAX_SAFE_INTEGER]), this.#int64s([1])]))
    }
    this.#ends(value, { kind: 'quantile', length: 1, ends, low: () => kth(0), high: () => kth(1) })
  }

  /** Smallest and largest of each channel: of each sample by itself. */
  channelExtremes(value: string, { axis, shape, ends }: { axis: number; shape: readonly number[]; ends: Ends }): void {
    const axes = shape.map((_, index) => index).filter(index => index !== axis && (index !== 0 || this.#feeding === 'sample'))
    const reduced = (opType: string) => this.#vector(value, axes.length === 0 ? value : this.#reduce(opType, value, axes))
    this.#ends(value, {
      kind: 'channels',
      length: shape[axis]!,
      ends,
      low: () => reduced('ReduceMin'),
      high: () => reduced('ReduceMax'),
    })
  }

  /** Mean of each channel over the samples of the run. */
  channelMeans(value: string, axis: number, shape: readonly number[]): void {
    const axes = shape.map((_, index) => index).filter(index => index !== axis)
    this.#piece(value, { kind: 'means', length: shape[axis]!, name: axes.length === 0 ? value : this.#reduce('ReduceMean', value, axes) })
  }

  /**
   * Nodes are appended value by value from the last to the first, and all end in one Concat. ONNX Runtime orders nodes by a search from the ends of the graph
   * that takes up the inputs of a node in the reverse order of the file: so each value is reduced as soon as it is there, while it is in the cache, and given
   * back. In the order of the file all reductions come last and every activation is kept until then (measured on an OCR recognizer: 86 MiB and 13 ms a sample
   * against 1 MiB and 6 ms).
   */
  finish(): Reduced {
    const position = new Map([
      ...this.#graph.inputs.map(({ name }) => [name, -1] as const),
      ...this.#graph.nodes.flatMap((node, index) => node.outputs.map(output => [output, index] as const)),
    ])
    const groups = [...this.#groups].sort(([a], [b]) => position.get(b)! - position.get(a)!).map(([, group]) => group)
    const vectors = groups.flatMap(group => group.vectors)
    const output = this.#graph.uniqueName('quantd/figures')
    if (vectors.length === 0) return { model: this.#model, pieces: [] }
    const joined = makeNode({
      name: output,
      opType: 'Concat',
      inputs: vectors.map(({ name }) => name),
      outputs: [output],
      attributes: { axis: int(0) },
    })
    this.#graph.setNodes([...this.#graph.nodes, ...groups.flatMap(({ nodes }) => nodes), joined])
    this.#graph.setOutputs([...this.#graph.outputs, { name: output, dtype: 'float32', shape: [undefined] }])
    return { model: { ...this.#model, graph: this.#graph }, output, pieces: vectors.map(({ piece }) => piece) }
  }

  /** The low end, then the high one, of each sample one after the other. */
  #ends(
    value: string,
    { kind, length, ends, low, high }: { kind: FigureKind; length: number; ends: Ends; low: () => string; high: () => string },
  ): void {
    const highest = high()
    this.#piece(value, { kind, length, name: ends === 'both' ? low() : highest })
    this.#piece(value, { kind, length, name: highest })
  }

  #piece(value: string, { kind, length, name }: { kind: FigureKind; length: number; name: string }): void {
    const at = this.#lengths.get(kind) ?? 0
    this.#lengths.set(kind, at + length)
    this.#groupOf(value).vectors.push({ name, piece: { value, kind, at, length } })
  }

  #groupOf(value: string): Group {
    const known = this.#groups.get(value)
    if (known !== undefined) return known
    const group: Group = { nodes: [], vectors: [] }
    this.#groups.set(value, group)
    return group
  }

  #vector(value: string, tensor: string): string {
    return this.#add(value, 'Reshape', [tensor, this.#int64s([-1])])
  }

  /** Axes are an attribute up to opset 17, an input from 18 on. */
  #reduce(opType: string, value: string, axes: readonly number[]): string {
    return (this.#model.opsets.get('') ?? 1) < 18
      ? this.#add(value, opType, [value], { axes: ints(axes), keepdims: int(0) })
      : this.#add(value, opType, [value, this.#int64s(axes)], { keepdims: int(0) })
  }

  #add(value: string, opType: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}, outputCount = 1) {
    const outputs = Array.from({ length: outputCount }, () => this.#graph.uniqueName(`quantd/${opType}`))
    this.#groupOf(value).nodes.push(makeNode({ name: outputs[0]!, opType, inputs, outputs, attributes }))
    return outputs[0]!
  }

  #int64s(values: readonly number[]): string {
    const key = values.join()
    const known = this.#constants.get(key)
    if (known !== undefined) return known
    const tensor: ConstantTensor = constant('int64', [values.length], BigInt64Array.from(values, BigInt))
    const name = this.#graph.addConstant('quantd/int64s', tensor)
    this.#constants.set(key, name)
    return name
  }
}

type Add = (opType: string, inputs: readonly string[], attributes?: Readonly<Record<string, Attribute>>, outputCount?: number) => string
