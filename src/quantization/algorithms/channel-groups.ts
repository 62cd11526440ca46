import type { Graph } from '../../graph/graph.js'
import { intAttribute, intsAttribute, isOp, type Node, stringAttribute } from '../../graph/node.js'
import { constantData, elementCount } from '../../graph/tensor/tensor.js'
import type { Shapes } from '../placement/shapes.js'
import { type LinearWeights, linearWeights } from './linear-weights.js'

/** Where the channels of a value lie: index i of `axis` belongs to channel floor(i / repeat). `repeat` is above 1 behind a Flatten. */
export interface ChannelPlace {
  readonly axis: number
  readonly repeat: number
}

/** A linear operator that reads a value of the group as its data. */
export interface GroupReader {
  readonly linear: LinearWeights
  readonly value: string
  readonly repeat: number
}

/** An Add whose constant operand has to be scaled with the group. */
export interface GroupSummand {
  readonly node: Node
  readonly constant: string
  readonly place: ChannelPlace
}

/**
 * Values that may be multiplied by one positive factor per channel, all of them by the same, without a change of the model's function: linear operators make them
 * and linear operators read them, and what lies between is positively homogeneous per channel (Relu, PReLU, pools, sums of such values, products with others).
 * The plain pair of cross-layer equalization is the smallest group; all blocks of one stage of a residual network with what adds them up are one, too.
 */
export interface ChannelGroup {
  readonly channels: number
  readonly values: ReadonlyMap<string, ChannelPlace>
  /** Linear operators whose result is in the group. */
  readonly makers: readonly LinearWeights[]
  readonly readers: readonly GroupReader[]
  readonly summands: readonly GroupSummand[]
  /** Operators between makers and readers, in the order they were met. */
  readonly between: readonly Node[]
}

/** Every group of `graph`, in the order of their first makers. A linear operator is in one group by its result and in another one by its data. */
export function channelGroups(graph: Graph, shapes: Shapes): ChannelGroup[] {
  const groups: ChannelGroup[] = []
  const seen = new Set<string>()
  for (const node of graph.nodes) {
    const linear = linearWeights(graph, node)
    const value = node.outputs[0] ?? ''
    if (linear === undefined || seen.has(value) || !shapes.has(value)) continue
    const walk = new Walk(graph, shapes, linear.outputs)
    const group = walk.from(value, { axis: channelAxis(node, shapes.get(value)!), repeat: 1 })
    for (const met of walk.values.keys()) seen.add(met)
    if (group !== undefined) groups.push(group)
  }
  return groups
}

const channelAxis = (node: Node, shape: readonly number[]) => (isOp(node, 'Conv') ? 1 : shape.length - 1)

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
  readonly #summands: GroupSummand[] = []
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
      const maker = linearWeights(this.#graph, producer)
      if (maker !== undefined) this.#makers.push(maker)
      else if (!this.#passes(producer)) return undefined
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
      summands: this.#summands,
      between,
    }
  }

  #join(value: string, place: ChannelPlace | undefined): boolean {
    if (place === undefined || this.#shapes.get(value)?.[place.axis] !== this.#channels * place.repeat) return false
    const known = this.values.get(value)
    if (known !== undefined) return known.axis === place.axis
    this.values.set(value, place)
    this.#todo.push(value)
    return true
  }

  #reads(reader: Node, value: string): boolean {
    const linear = linearWeights(this.#graph, reader)
    if (linear === undefined) return this.#passes(reader)
    const { axis, repeat } = this.values.get(value)!
    const asData = reader.inputs.every((input, index) => (input === value) === (index === 0))
    if (!asData || axis !== channelAxis(reader, this.#shapes.get(value)!)) return false
    this.#readers.push({ linear, value, repeat })
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
    if (ranks.size !== 1 || (isOp(node, ...pooling) && place?.axis !== 1)) return false
    return ends.every(value => this.#join(value, place)) && this.#scalesSummand(node)
  }

  /** Inputs that have to be multiplied for the output to be; undefined where that does not do it. */
  #scalingInputs(node: Node): readonly string[] | undefined {
    const [first = '', second = ''] = node.inputs
    const computed = [first, second].filter(input => this.#graph.constant(input) === undefined)
    if (isOp(node, ...channelwise, ...pooling, ...reshaping, 'Transpose')) return [first]
    if (isOp(node, 'Add', 'Sub')) return computed.length === 0 ? undefined : computed
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
    if (before !== undefined) return this.#join(output, { ...before, axis: order.indexOf(before.axis) })
    const behind = this.values.get(output)!
    return this.#join(input, { ...behind, axis: order[behind.axis]! })
  }

  /** Notes the constant operand of a sum. False where it does not fit the channels. */
  #scalesSummand(node: Node): boolean {
    const name = isOp(node, 'Add', 'Sub') ? node.inputs.find(input => this.#graph.constant(input) !== undefined) : undefined
    if (name === undefined) return true
    const summand = { node, constant: name, place: this.values.get(node.outputs[0]!)! }
    this.#summands.push(summand)
    return spreadConstant(this.#graph, this.#shapes, summand) !== undefined
  }
}

const hasOneOutput = ({ outputs }: Node) => outputs.filter(output => output !== '').length === 1

/** Where channels lie behind a reshaping in row-major order; undefined where an index of the new shape would hold more than one channel. */
export function reshaped({ axis, repeat }: ChannelPlace, from: readonly number[], to: readonly number[]): ChannelPlace | undefined {
  const behind = elementCount(from.slice(axis + 1))
  const block = from[axis]! * behind
  for (let at = to.length - 1; at >= 0; at -= 1) {
    const stride = elementCount(to.slice(at + 1))
    if (to[at]! * stride === block && (repeat * behind) % stride === 0) return { axis: at, repeat: (repeat * behind) / stride }
  }
  return undefined
}

/** The values of a summand's constant, one per channel of the group; undefined where it varies along another axis. */
export function spreadConstant(graph: Graph, shapes: Shapes, { node, constant: name, place }: GroupSummand): Float64Array | undefined {
  const tensor = graph.constant(name)!
  const rank = shapes.get(node.outputs[0]!)?.length ?? 0
  const size = shapes.get(node.outputs[0]!)?.[place.axis] ?? 0
  if (tensor.dtype !== 'float32' || tensor.shape.length > rank || place.repeat !== 1) return undefined
  const axis = place.axis - (rank - tensor.shape.length)
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

/** True for a convolution that gives each input channel its own outputs. */
export const isDepthwise = ({ node, inputs, seen }: LinearWeights): boolean =>
  isOp(node, 'Conv') && seen === 1 && inputs > 1 && intAttribute(node, 'group', 1) === inputs
