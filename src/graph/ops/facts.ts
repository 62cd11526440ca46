import type { Dimension, Graph } from '../graph.js'
import type { Node } from '../node.js'
import { type DType, dtypes } from '../tensor/dtype.js'
import { type ConstantTensor, constantData } from '../tensor/tensor.js'

/**
 * What is certain about a value before the model runs. `values` are the entries of a scalar or vector of integers or float32 (as shape arithmetic
 * uses them): a number, the name of a dimension, or unknown.
 */
export interface Facts {
  readonly dtype?: DType | undefined
  readonly shape?: readonly Dimension[] | undefined
  readonly values?: readonly Dimension[] | undefined
}

/** What a rule sees: facts of the inputs and of the node; an absent input has none. */
export interface RuleInput {
  readonly node: Node
  readonly opset: number
  input(index: number): Facts
  /** All inputs, for variadic operators. */
  readonly inputs: readonly Facts[]
}

/** Facts of a node's outputs, in order; fewer or empty where nothing is certain. */
export type FactRule = (given: RuleInput) => readonly Facts[]

/** Vectors longer than this are data, not shapes. */
export const longestVector = 64

const nothing: Facts = Object.freeze({})

export interface FactOptions {
  readonly opset: number
  readonly rules: ReadonlyMap<string, FactRule>
  /** Facts of values of enclosing graphs; absent for a main graph. */
  readonly outer?: (value: string) => Facts
}

/**
 * Facts of every value of `graph`: the input shapes of a main graph are trusted (the engine enforces them), other declared
 * shapes only for type and rank, since exporters leave stale ones there and a loop may change its sizes. Values without facts are absent.
 */
export function inferFacts(graph: Graph, { opset, rules, outer }: FactOptions): (value: string) => Facts {
  const facts = new Map<string, Facts>()
  const learn = (value: string, found: Facts): void => void facts.set(value, cleaned(found))
  const look = (value: string): Facts => (value === '' ? nothing : (facts.get(value) ?? outer?.(value) ?? nothing))
  const seen = new Set<string>()
  for (const { name, dtype, shape } of graph.inputs) {
    learn(name, { dtype, shape: outer === undefined ? shape?.map((size, axis) => ownName(size, `${name}.${axis}`, seen)) : undefined })
  }
  for (const [name, tensor] of graph.initializers) learn(name, factsOfConstant(tensor))
  for (const node of graph.nodes) {
    const rule = node.domain === '' ? rules.get(node.opType) : undefined
    const inputs = node.inputs.map(look)
    const made = rule?.({ node, opset, inputs, input: index => inputs[index] ?? nothing }) ?? []
    node.outputs.forEach((output, index) => {
      if (output !== '') learn(output, withDeclared(made[index] ?? nothing, graph, output))
    })
  }
  return look
}

/** Exporters give one name to sizes that differ (height and width both 'dynamic'), and engines let them: only the first keeps it. */
function ownName(size: Dimension, place: string, seen: Set<string>): Dimension {
  if (typeof size !== 'string') return size
  const name = seen.has(size) ? `${size}@${place}` : size
  seen.add(name)
  return name
}

/** Sizes that are no sizes (of a model that contradicts itself) and ranks beyond any use are unknown. */
function cleaned({ dtype, shape, values }: Facts): Facts {
  const plain = (size: Dimension): Dimension => (isKnown(size) && !(Number.isSafeInteger(size) && size >= 0) ? undefined : size)
  return {
    dtype,
    shape: shape !== undefined && shape.length <= longestVector ? shape.map(plain) : undefined,
    values: values?.map(value => (isKnown(value) && Number.isNaN(value) ? undefined : value)),
  }
}

function withDeclared(found: Facts, graph: Graph, value: string): Facts {
  const info = graph.valueInfo.get(value) ?? graph.outputs.find(({ name }) => name === value)
  if (info === undefined) return found
  return {
    ...found,
    dtype: found.dtype ?? info.dtype,
    shape: found.shape ?? info.shape?.map(() => undefined),
  }
}

/** Type, shape and, for short vectors of numbers, values. */
export function factsOfConstant(tensor: ConstantTensor): Facts {
  const { dtype, shape } = tensor
  return { dtype, shape, values: shape.length <= 1 ? numbersOf(tensor, longestVector) : undefined }
}

/** Values of a constant of integers or float32 with at most `most` elements; integers past 2^53 lose their last digits. */
export function numbersOf(tensor: ConstantTensor, most: number): readonly number[] | undefined {
  const { dtype, bytes } = tensor
  const bits = dtypes[dtype].bits
  if (!hasNumbers(dtype) || bytes.byteLength > (most * bits) / 8) return undefined
  return Array.from(constantData(tensor) as ArrayLike<number | bigint>, Number)
}

function hasNumbers(dtype: DType): boolean {
  return ['int64', 'int32', 'int16', 'int8', 'uint8', 'uint16', 'uint32', 'uint64', 'float32', 'bool'].includes(dtype)
}

export const isKnown = (size: Dimension): size is number => typeof size === 'number'

/** `sizes` when all of them are numbers. */
export function known(sizes: readonly Dimension[] | undefined): readonly number[] | undefined {
  return sizes?.every(isKnown) === true ? (sizes as readonly number[]) : undefined
}

/** The axis counted from the front; undefined when it is out of range. */
export function plainAxis(axis: number, rank: number): number | undefined {
  const plain = axis < 0 ? axis + rank : axis
  return plain >= 0 && plain < rank ? plain : undefined
}
