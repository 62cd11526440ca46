import type { Graph, Model } from '../../graph/graph.js'
import { type Attribute, int, ints, makeNode, type Node } from '../../graph/node.js'
import { type ConstantTensor, constant, elementCount } from '../../graph/tensor/tensor.js'
import type { Shapes } from '../placement/shapes.js'
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

/** Names of the added outputs: one vector each, absent when nothing of the kind is wanted. */
export interface ReductionOutputs {
  /** [minimum of value 0 per sample, maximum of value 0 per sample, minimum of value 1 per sample, ...] */
  readonly extremes?: string
  /** The same of the quantiles. */
  readonly quantiles?: string
  /** Channel means of all wanted values over the samples of the run, one after the other. */
  readonly means?: string
  /** Value after value: smallest of each channel, sample by sample, then largest. */
  readonly channels?: string
}

/**
 * `model` with reduction nodes behind the wanted values, its own outputs kept: what leaves the engine per sample is two numbers per value and one per channel
 * (two where ranges of channels are wanted), never an activation.
 */
export function addReductions({ model, shapes, wanted, feeding }: ReductionOptions): {
  readonly model: Model
  readonly outputs: ReductionOutputs
} {
  const builder = new Builder(model, feeding)
  const ends = (value: string): Ends => (wanted.nonNegative.has(value) ? 'high' : 'both')
  const extremes = wanted.reducers.includes('extremes')
    ? wanted.ranges.flatMap(value => builder.extremes(value, shapes.get(value)!.length, ends(value)))
    : []
  const quantiles = wanted.reducers.includes('quantile')
    ? wanted.ranges.flatMap(value =>
        builder.quantiles(value, { count: elementCount(shapes.get(value)!), share: wanted.quantile, ends: ends(value) }),
      )
    : []
  const channels = (wanted.channels ?? []).flatMap(({ value, axis }) =>
    builder.channelExtremes(value, axis, { rank: shapes.get(value)!.length, ends: ends(value) }),
  )
  const means = wanted.means.map(({ value, axis }) => builder.channelMeans(value, axis, shapes.get(value)!.length))
  const outputs = {
    ...builder.output('extremes', extremes),
    ...builder.output('quantiles', quantiles),
    ...builder.output('means', means),
    ...builder.output('channels', channels),
  }
  return { model: builder.finish(Object.values(outputs)), outputs }
}

/** Which ends of a value are looked for; the high one stands in place of a low one that is not. */
type Ends = 'both' | 'high'

class Builder {
  readonly #model: Model
  readonly #graph: Graph
  readonly #nodes: Node[] = []
  readonly #constants = new Map<string, string>()

  readonly #feeding: Feeding

  constructor(model: Model, feeding: Feeding) {
    this.#model = model
    this.#feeding = feeding
    this.#graph = model.graph.clone()
  }

  extremes(value: string, rank: number, ends: Ends): string[] {
    const axes = Array.from({ length: rank }, (_, axis) => axis).filter(axis => axis !== 0 || this.#feeding === 'sample')
    if (axes.length === 0) return [value, value].map(same => this.#add('Reshape', [same, this.#int64s([-1])]))
    const reduced = (opType: string) => this.#add('Reshape', [this.#reduce(opType, value, axes), this.#int64s([-1])])
    const high = reduced('ReduceMax')
    return [ends === 'both' ? reduced('ReduceMin') : high, high]
  }

  /** Smallest and largest of each channel: of each sample by itself. */
  channelExtremes(value: string, axis: number, { rank, ends }: { rank: number; ends: Ends }): string[] {
    const axes = Array.from({ length: rank }, (_, index) => index).filter(
      index => index !== axis && (index !== 0 || this.#feeding === 'sample'),
    )
    const reduced = (opType: string) =>
      this.#add('Reshape', [axes.length === 0 ? value : this.#reduce(opType, value, axes), this.#int64s([-1])])
    const high = reduced('ReduceMax')
    return [ends === 'both' ? reduced('ReduceMin') : high, high]
  }

  /** The k-th smallest and largest element of each sample, where k elements are the wanted share of those looked at. */
  quantiles(value: string, { count, share, ends }: { count: number; share: number; ends: Ends }): string[] {
    const stride = Math.max(1, Math.floor(count / quantileElements))
    const flat = this.#add('Reshape', [value, this.#int64s(this.#feeding === 'sample' ? [1, -1] : [0, -1])])
    const every = [0, Number.MAX_SAFE_INTEGER, 1, stride].map(number => this.#int64s([number]))
    const looked = stride === 1 ? flat : this.#add('Slice', [flat, ...every])
    const size = this.#add('Slice', [this.#add('Shape', [looked]), this.#int64s([1]), this.#int64s([2])])
    const k = this.#add('Min', [this.#int64s([Math.max(1, Math.ceil((count / stride) * share))]), size])
    const kth = (largest: 0 | 1) => {
      const top = this.#add('TopK', [looked, k], { largest: int(largest), sorted: int(1), axis: int(1) }, 2)
      const last = this.#add('Slice', [top, this.#int64s([-1]), this.#int64s([Number.MAX_SAFE_INTEGER]), this.#int64s([1])])
      return this.#add('Reshape', [last, this.#int64s([-1])])
    }
    const high = kth(1)
    return [ends === 'both' ? kth(0) : high, high]
  }

  channelMeans(value: string, axis: number, rank: number): string {
    const axes = Array.from({ length: rank }, (_, index) => index).filter(index => index !== axis)
    return axes.length === 0 ? value : this.#reduce('ReduceMean', value, axes)
  }

  output<K extends string>(key: K, vectors: readonly string[]): { readonly [P in K]?: string } {
    return vectors.length === 0 ? {} : ({ [key]: this.#add('Concat', vectors, { axis: int(0) }) } as { readonly [P in K]?: string })
  }

  finish(outputs: readonly string[]): Model {
    this.#graph.setNodes([...this.#graph.nodes, ...this.#nodes])
    const added = outputs.map(name => ({ name, dtype: 'float32', shape: [undefined] }) as const)
    this.#graph.setOutputs([...this.#graph.outputs, ...added])
    return { ...this.#model, graph: this.#graph }
  }

  /** Axes are an attribute up to opset 17, an input from 18 on. */
  #reduce(opType: string, value: string, axes: readonly number[]): string {
    return (this.#model.opsets.get('') ?? 1) < 18
      ? this.#add(opType, [value], { axes: ints(axes), keepdims: int(0) })
      : this.#add(opType, [value, this.#int64s(axes)], { keepdims: int(0) })
  }

  #add(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}, outputCount = 1): string {
    const outputs = Array.from({ length: outputCount }, () => this.#graph.uniqueName(`quantd/${opType}`))
    this.#nodes.push(makeNode({ name: outputs[0]!, opType, inputs, outputs, attributes }))
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
