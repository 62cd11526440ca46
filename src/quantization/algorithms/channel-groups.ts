import type { Graph } from '../../graph/graph.js'
import { intAttribute, intsAttribute, isOp, type Node, stringAttribute } from '../../graph/node.js'
import { constantData, elementCount } from '../../graph/tensor/tensor.js'
import type { Shapes } from '../placement/shapes.js'
import { type LinearWeights, linearWeights } from './linear-weights.js'

/**
 * Where the channels of a value lie. On one axis, index i belongs to channel floor(i / repeat); `repeat` is above 1 behind a Flatten. Heads of an attention lie on
 * two: the first index counts in steps of the second axis.
 */
export interface ChannelPlace {
  readonly axes: readonly number[]
  readonly repeat: number
}

/** The one axis of the channels; undefined where they lie on several. */
export const singleAxis = ({ axes }: ChannelPlace): number | undefined => (axes.length === 1 ? axes[0] : undefined)

/** A linear operator that reads a value of the group as its data. */
export interface GroupReader {
  readonly linear: LinearWeights
  readonly value: string
  readonly repeat: number
}

/** An operator whose constant inputs have to be scaled with the group. */
export interface GroupConstants {
  readonly node: Node
  readonly names: readonly string[]
  /** In its result. */
  readonly place: ChannelPlace
}

/**
 * Values that may be multiplied by one positive factor per channel, all of them by the same, without a change of the model's function: linear operators make them
 * and linear operators read them, and what lies between is positively homogeneous per channel (Relu, PReLU, pools, sums of such values, products with others; the weighted means of an attention).
 * The plain pair of cross-layer equalization is the smallest group; all blocks of one stage of a residual network with what adds them up are one, too.
 * A group may also start at a LayerNormalization, whose scale and bias take the factors, or at a product with a constant per channel.
 */
export interface ChannelGroup {
  readonly channels: number
  readonly values: ReadonlyMap<string, ChannelPlace>
  /** Linear operators whose result is in the group. */
  readonly makers: readonly LinearWeights[]
  readonly readers: readonly GroupReader[]
  /** Other operators whose result is in the group and whose input is not. */
  readonly starts: readonly GroupConstants[]
  /** Sums with a constant. */
  readonly summands: readonly GroupConstants[]
  /** Operators between makers and readers, in the order they were met. */
  readonly between: readonly Node[]
}

/**
 * Every group of `graph`, in the order of what makes them. A linear operator is in one group by its result and in another one by its data.
 */
export function channelGroups(graph: Graph, shapes: Shapes): ChannelGroup[] {
  const groups: ChannelGroup[] = []
  const seen = new Set<string>()
  for (const node of graph.nodes) {
    const [value = ''] = node.outputs
    const shape = shapes.get(value)
    if (shape === undefined || seen.has(value)) continue
    const place = madePlace(graph, node, shape)
    if (place === undefined) continue
    const walk = new Walk(graph, shapes, shape[place.axes[0]!]!)
    const group = walk.from(value, place)
    for (const met of walk.values.keys()) seen.add(met)
    if (group !== undefined) groups.push(group)
  }
  return groups
}

/** Where the channels of the result of an operator lie that may make a group; undefined for all others. */
function madePlace(graph: Graph, node: Node, shape: readonly number[]): ChannelPlace | undefined {
  if (linearWeights(graph, node) !== undefined) return { axes: [channelAxis(node, shape)], repeat: 1 }
  const axis = startAxis(graph, node, shape)
  return axis === undefined ? undefined : { axes: [axis], repeat: 1 }
}

/** The axis along which the constants of a LayerNormalization or product can take factors. */
function startAxis(graph: Graph, node: Node, shape: readonly number[]): number | undefined {
  const constants = node.inputs.filter(input => graph.constant(input) !== undefined)
  const [first] = constants.map(name => graph.constant(name)!.shape)
  if (first === undefined) return undefined
  if (isOp(node, 'LayerNormalization')) {
    const last = shape.length - 1
    const axis = intAttribute(node, 'axis', -1)
    return (axis === -1 || axis === last) && constants.length === node.inputs.length - 1 ? last : undefined
  }
  if (!isOp(node, 'Mul') || constants.length !== 1) return undefined
  // A number for all channels stays one: activations are recognised by theirs (the half of a GELU).
  const axis = first.findIndex(size => size !== 1)
  return axis < 0 ? undefined : axis + shape.length - first.length
}

/** The axis of the channels in what a linear operator reads and gives. */
export const channelAxis = (node: Node, shape: readonly number[]) => (isOp(node, 'Conv') ? 1 : shape.length - 1)

/** Operators that keep every axis and work on each channel by itself, in a positively homogeneous way, on their first input. */
const channelwise = ['Relu', 'LeakyRelu', 'PRelu', 'Identity'] as const
/** The same for channels on axis 1: padding is left out of their windows or counts as zeros, which scale. */
const pooling = ['MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool'] as const
/** Operators that only move elements. */
const reshaping = ['Flatten', 'Reshape', 'Squeeze', 'Unsqueeze'] as const

/** Follows the factors of one linear result through every operator that they pass. */
class Walk {
  readonly values = new Map<string, ChannelPlace>()
  readonly #graph: Graph
  readonly #shapes: Shapes
  readonly #channels: number
  readonly #todo: string[] = []
  readonly #makers: LinearWeights[] = []
  readonly #readers: GroupReader[] = []
  readonly #summands: GroupConstants[] = []
  readonly #starts = new Map<Node, GroupConstants>()
  /** Operators between, with those of their inputs that scale. */
  readonly #between = new Map<Node, readonly string[]>()

  constructor(graph: Graph, shapes: Shapes, channels: number) {
    this.#graph = graph
    this.#shapes = shapes
    this.#channels = channels
  }

  from(value: string, place: ChannelPlace): ChannelGroup | undefined {
    if (!this.#join(value, place)) return undefined
    for (let next = this.#todo.pop(); next !== undefined; next = this.#todo.pop()) {
      const producer = this.#graph.producer(next)
      if (producer === undefined || this.#graph.isOutput(next)) return undefined
      if (!this.#makes(producer, this.values.get(next)!)) return undefined
      for (const reader of this.#graph.consumers(next)) if (!this.#reads(reader, next)) return undefined
    }
    // An operand that was to stay out of a product or slope may have joined behind it.
    const whole = [...this.#between].every(([{ inputs }, scaling]) =>
      inputs.every(input => !this.values.has(input) || scaling.includes(input)),
    )
    if (!whole || this.#readers.length === 0) return undefined
    const between = [...this.#between.keys()]
    return {
      channels: this.#channels,
      values: this.values,
      makers: this.#makers,
      readers: this.#readers,
      starts: [...this.#starts.values()],
      summands: this.#summands,
      between,
    }
  }

  #join(value: string, place: ChannelPlace | undefined): boolean {
    const shape = this.#shapes.get(value)
    if (place === undefined || shape === undefined || sizeOf(place, shape) !== this.#channels * place.repeat) return false
    const known = this.values.get(value)
    if (known !== undefined) return known.axes.join() === place.axes.join() && known.repeat === place.repeat
    this.values.set(value, place)
    this.#todo.push(value)
    return true
  }

  #makes(producer: Node, place: ChannelPlace): boolean {
    const maker = linearWeights(this.#graph, producer)
    if (maker !== undefined) {
      this.#makers.push(maker)
      return place.repeat === 1 && singleAxis(place) === channelAxis(producer, this.#shapes.get(producer.outputs[0]!)!)
    }
    const names = producer.inputs.filter(input => this.#graph.constant(input) !== undefined)
    const start = { node: producer, names, place }
    const starts =
      !this.#between.has(producer) &&
      hasOneOutput(producer) &&
      startAxis(this.#graph, producer, this.#shapes.get(producer.outputs[0]!)!) === singleAxis(place)
    if (!starts || !this.#fits(start)) return this.#passes(producer)
    this.#starts.set(producer, start)
    return true
  }

  #reads(reader: Node, value: string): boolean {
    if (this.#starts.has(reader)) return false
    const linear = linearWeights(this.#graph, reader)
    if (linear === undefined) return this.#passes(reader)
    const place = this.values.get(value)!
    const asData = reader.inputs.every((input, index) => (input === value) === (index === 0))
    if (!asData || singleAxis(place) !== channelAxis(reader, this.#shapes.get(value)!)) return false
    this.#readers.push({ linear, value, repeat: place.repeat })
    return true
  }

  /** An operator with a value of the group on either side: what scales with it joins. False where something else would have to. */
  #passes(node: Node): boolean {
    if (this.#between.has(node)) return true
    const scaling = this.#scalingInputs(node)
    if (scaling === undefined || !hasOneOutput(node)) return false
    this.#between.set(node, scaling)
    const [output = ''] = node.outputs
    if (isOp(node, 'Transpose')) return this.#transposes(node, scaling[0]!, output)
    if (isOp(node, ...reshaping)) return this.#reshapes(scaling[0]!, output)
    const ends = [...scaling, output]
    const place = ends.map(value => this.values.get(value)).find(found => found !== undefined)
    const ranks = new Set(ends.map(value => this.#shapes.get(value)?.length))
    if (place === undefined || ranks.size !== 1 || (isOp(node, ...pooling) && singleAxis(place) !== 1)) return false
    if (isOp(node, 'MatMul') && !isColumns(place, this.#shapes.get(output)!)) return false
    return ends.every(value => this.#join(value, place)) && this.#scalesSummand(node)
  }

  /** Inputs that have to be multiplied for the output to be; undefined where that does not do it. */
  #scalingInputs(node: Node): readonly string[] | undefined {
    const [first = '', second = ''] = node.inputs
    const computed = [first, second].filter(input => this.#graph.constant(input) === undefined)
    if (isOp(node, ...channelwise, ...pooling, ...reshaping, 'Transpose')) return [first]
    if (isOp(node, 'Add', 'Sub')) return computed.length === 0 ? undefined : computed
    // Columns of the second operand of a product are columns of the result: the values of an attention.
    if (isOp(node, 'MatMul')) return this.#graph.constant(second) === undefined ? [second] : undefined
    if (!isOp(node, 'Mul', 'Div')) return undefined
    const size = (value: string) => elementCount(this.#shapes.get(value) ?? [])
    const whole = (isOp(node, 'Div') ? computed.filter(value => value === first) : computed).filter(
      value => size(value) === size(node.outputs[0]!),
    )
    return whole.length === 1 ? whole : undefined
  }

  #reshapes(input: string, output: string): boolean {
    const [from, to] = this.values.has(input) ? [input, output] : [output, input]
    return this.#join(to, reshaped(this.values.get(from)!, this.#shapes.get(from) ?? [], this.#shapes.get(to) ?? []))
  }

  #transposes(node: Node, input: string, output: string): boolean {
    const rank = this.#shapes.get(input)?.length ?? 0
    const order = intsAttribute(node, 'perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis)
    const before = this.values.get(input)
    if (before !== undefined) return this.#join(output, { ...before, axes: before.axes.map(axis => order.indexOf(axis)) })
    const behind = this.values.get(output)!
    return this.#join(input, { ...behind, axes: behind.axes.map(axis => order[axis]!) })
  }

  /** Notes the constant operand of a sum. False where it does not fit the channels. */
  #scalesSummand(node: Node): boolean {
    const name = isOp(node, 'Add', 'Sub') ? node.inputs.find(input => this.#graph.constant(input) !== undefined) : undefined
    if (name === undefined) return true
    const summand = { node, names: [name], place: this.values.get(node.outputs[0]!)! }
    this.#summands.push(summand)
    return this.#fits(summand)
  }

  #fits(constants: GroupConstants): boolean {
    return constants.names.every(name => spreadConstant(this.#graph, this.#shapes, { ...constants, name }) !== undefined)
  }
}

const hasOneOutput = ({ outputs }: Node) => outputs.filter(output => output !== '').length === 1

const sizeOf = ({ axes }: ChannelPlace, shape: readonly number[]) => axes.reduce((size, axis) => size * (shape[axis] ?? Number.NaN), 1)

/** True where the last of the axes is that of the columns and the others count matrices. */
const isColumns = ({ axes }: ChannelPlace, { length: rank }: readonly number[]) =>
  axes.every((axis, at) => (at === axes.length - 1 ? axis === rank - 1 : axis < rank - 2))

/** Where channels lie behind a reshaping in row-major order; undefined where an index of the new shape would hold more than one channel. */
export function reshaped(place: ChannelPlace, from: readonly number[], to: readonly number[]): ChannelPlace | undefined {
  const { axes, repeat } = place
  const last = axes.at(-1)!
  if (axes.some((axis, at) => axis !== axes[0]! + at)) return undefined
  const behind = elementCount(from.slice(last + 1))
  const block = sizeOf(place, from) * behind
  for (let at = to.length - 1; at >= 0; at -= 1) {
    const stride = elementCount(to.slice(at + 1))
    if (to[at]! * stride === block && (repeat * behind) % stride === 0) return { axes: [at], repeat: (repeat * behind) / stride }
    if (stride !== behind || repeat !== 1) continue
    for (let first = at - 1; first >= 0; first -= 1) {
      if (elementCount(to.slice(first)) !== block) continue
      return { axes: Array.from({ length: at - first + 1 }, (_, index) => first + index), repeat: 1 }
    }
  }
  return undefined
}

/** The values of a constant input, one per channel of the group; undefined where it varies along another axis. */
export function spreadConstant(
  graph: Graph,
  shapes: Shapes,
  { node, name, place }: Pick<GroupConstants, 'node' | 'place'> & { readonly name: string },
): Float64Array | undefined {
  const tensor = graph.constant(name)!
  const rank = shapes.get(node.outputs[0]!)?.length ?? 0
  const along = singleAxis(place)
  if (along === undefined || tensor.dtype !== 'float32' || tensor.shape.length > rank || place.repeat !== 1) return undefined
  const size = shapes.get(node.outputs[0]!)?.[along] ?? 0
  const axis = along - (rank - tensor.shape.length)
  if (tensor.shape.some((length, at) => length !== 1 && at !== axis)) return undefined
  const values = constantData(tensor) as Float32Array
  return Float64Array.from({ length: size }, (_, channel) => values[values.length === 1 ? 0 : channel]!)
}

/** True for a convolution whose border sees zeros that are not data. */
export function isPadded(node: Node): boolean {
  if (!isOp(node, 'Conv')) return false
  const auto = stringAttribute(node, 'auto_pad', 'NOTSET')
  return (auto !== 'NOTSET' && auto !== 'VALID') || (intsAttribute(node, 'pads') ?? []).some(size => size !== 0)
}
