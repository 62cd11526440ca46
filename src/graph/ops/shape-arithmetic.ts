import type { Dimension } from '../graph.js'
import { intAttribute, intsAttribute, type Node } from '../node.js'
import { dtypeFromOnnx } from '../tensor/dtype.js'
import { type FactRule, factsOfConstant, isKnown, known, longestVector, plainAxis, type RuleInput } from './facts.js'

/** The list that older operator sets have as attribute `name` and newer ones as input `index`; undefined when neither is known. */
export function listOf({ node, input }: RuleInput, name: string, index: number): readonly number[] | undefined {
  return intsAttribute(node, name) ?? known(input(index).values)
}

/** True when the list is given neither way: the operator's default holds. */
export function isAbsent(node: Node, name: string, index: number): boolean {
  return !node.attributes.has(name) && (node.inputs[index] ?? '') === ''
}

const shapeOf: FactRule = ({ node, input }) => {
  const { shape } = input(0)
  if (shape === undefined) return [{ dtype: 'int64', shape: [undefined] }]
  const values = shape.slice(intAttribute(node, 'start', 0), intAttribute(node, 'end', shape.length))
  return [{ dtype: 'int64', shape: [values.length], values }]
}

const size: FactRule = ({ input }) => {
  const sizes = known(input(0).shape)
  return [{ dtype: 'int64', shape: [], values: [sizes?.reduce((product, value) => product * value, 1)] }]
}

const constantNode: FactRule = ({ node }) => {
  const attribute = node.attributes.get('value')
  return attribute?.kind === 'tensor' ? [factsOfConstant(attribute.value)] : []
}

const gather: FactRule = ({ node, input }) => {
  const data = input(0)
  const indices = input(1)
  if (data.shape === undefined || indices.shape === undefined) return [{ dtype: data.dtype }]
  const axis = plainAxis(intAttribute(node, 'axis', 0), data.shape.length)
  if (axis === undefined) return [{ dtype: data.dtype }]
  const shape = [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)]
  const { values } = data
  const picked =
    values === undefined || data.shape.length !== 1
      ? undefined
      : indices.values?.map(index => (isKnown(index) ? values.at(index) : undefined))
  return [{ dtype: data.dtype, shape, values: shape.length <= 1 ? picked : undefined }]
}

/** Attributes before opset 10, inputs since. Steps other than 1 are followed too. */
const slice: FactRule = given => {
  const data = given.input(0)
  const { node } = given
  if (data.shape === undefined) return [{ dtype: data.dtype }]
  const starts = listOf(given, 'starts', 1)
  const ends = listOf(given, 'ends', 2)
  const length = starts?.length ?? ends?.length ?? given.input(1).shape?.[0]
  const axes = isAbsent(node, 'axes', 3)
    ? isKnown(length) && length <= longestVector
      ? Array.from({ length }, (_, axis) => axis)
      : undefined
    : listOf(given, 'axes', 3)
  const steps = (node.inputs[4] ?? '') === '' ? axes?.map(() => 1) : known(given.input(4).values)
  const unknown = data.shape.map(() => undefined)
  if (axes === undefined) return [{ dtype: data.dtype, shape: unknown }]
  const shape: Dimension[] = [...data.shape]
  let { values } = data
  for (const [index, each] of axes.entries()) {
    const axis = plainAxis(each, shape.length)
    if (axis === undefined) return [{ dtype: data.dtype, shape: unknown }]
    const extent = shape[axis]
    const [start, end, step] = [starts?.[index], ends?.[index], steps?.[index]]
    if (isKnown(extent) && start !== undefined && end !== undefined && step !== undefined && step !== 0) {
      const picked = indicesOf(extent, start, end, step)
      shape[axis] = picked.length
      values = values === undefined ? undefined : picked.map(at => values![at])
    } else {
      shape[axis] = start === 0 && end !== undefined && end > 2 ** 31 && step === 1 ? extent : undefined
      if (shape[axis] === undefined) values = undefined
    }
  }
  return [{ dtype: data.dtype, shape, values: shape.length === 1 ? values : undefined }]
}

function indicesOf(extent: number, start: number, end: number, step: number): { length: number; map<T>(read: (at: number) => T): T[] } {
  const clamp = (at: number, low: number, high: number) => Math.min(Math.max(at < 0 ? at + extent : at, low), high)
  const from = step > 0 ? clamp(start, 0, extent) : clamp(start, 0, extent - 1)
  const to = step > 0 ? clamp(end, 0, extent) : clamp(end, -1, extent - 1)
  const length = Math.max(0, Math.ceil((to - from) / step))
  return { length, map: read => Array.from({ length }, (_, index) => read(from + index * step)) }
}

const concat: FactRule = ({ node, inputs }) => {
  const [first] = inputs
  const rank = inputs.find(({ shape }) => shape !== undefined)?.shape?.length
  const dtype = first?.dtype
  if (rank === undefined) return [{ dtype }]
  const axis = plainAxis(intAttribute(node, 'axis', 1), rank)
  if (axis === undefined) return [{ dtype }]
  const shape = Array.from({ length: rank }, (_, at): Dimension => {
    const sizes = inputs.map(each => each.shape?.[at])
    if (at !== axis) return sizes.find(isKnown) ?? sizes.find(each => each !== undefined)
    return sizes.every(isKnown) ? sizes.reduce((sum, each) => sum + each, 0) : undefined
  })
  const values = inputs.flatMap(each => each.values ?? [])
  const whole = rank === 1 && inputs.every(each => each.values !== undefined) && values.length <= longestVector
  return [{ dtype, shape, values: whole ? values : undefined }]
}

const unsqueeze: FactRule = given => {
  const { dtype, shape, values } = given.input(0)
  const axes = listOf(given, 'axes', 1)
  if (shape === undefined || axes === undefined) return [{ dtype }]
  const rank = shape.length + axes.length
  const added = new Set(axes.map(axis => plainAxis(axis, rank)))
  const left = [...shape]
  const whole = Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : left.shift()))
  return [{ dtype, shape: whole, values: rank <= 1 ? values : undefined }]
}

const squeeze: FactRule = given => {
  const { dtype, shape, values } = given.input(0)
  const axes = isAbsent(given.node, 'axes', 1) ? undefined : listOf(given, 'axes', 1)
  if (shape === undefined) return [{ dtype }]
  if (axes === undefined) {
    if (!isAbsent(given.node, 'axes', 1) || !shape.every(isKnown)) return [{ dtype }]
    return [{ dtype, shape: shape.filter(each => each !== 1), values: shape.length <= 1 ? values : undefined }]
  }
  const gone = new Set(axes.map(axis => plainAxis(axis, shape.length)))
  return [{ dtype, shape: shape.filter((_, axis) => !gone.has(axis)), values: shape.length <= 1 ? values : undefined }]
}

const constantOfShape: FactRule = ({ node, input }) => {
  const attribute = node.attributes.get('value')
  const value = attribute?.kind === 'tensor' ? factsOfConstant(attribute.value) : { dtype: 'float32' as const, values: [0] }
  const { shape: [length] = [], values } = input(0)
  const shape = values ?? (isKnown(length) && length <= longestVector ? Array.from({ length }, () => undefined) : undefined)
  const [count] = shape ?? []
  const filled = shape?.length === 1 && isKnown(count) && count >= 0 && count <= longestVector
  return [{ dtype: value.dtype, shape, values: filled ? Array.from({ length: count }, () => value.values?.[0]) : undefined }]
}

const range: FactRule = ({ input }) => {
  const { dtype } = input(0)
  const [start, limit, delta] = [0, 1, 2].map(index => input(index).values?.[0])
  if (!isKnown(start) || !isKnown(limit) || !isKnown(delta) || delta === 0 || dtype === 'float32') return [{ dtype, shape: [undefined] }]
  const length = Math.max(0, Math.ceil((limit - start) / delta))
  return [{ dtype, shape: [length], values: length <= longestVector ? Array.from({ length }, (_, i) => start + i * delta) : undefined }]
}

const eyeLike: FactRule = ({ node, input }) => [
  { dtype: dtypeFromOnnx(intAttribute(node, 'dtype', 0)) ?? input(0).dtype, shape: input(0).shape },
]

export const shapeArithmeticRules: readonly (readonly [string, FactRule])[] = [
  ['Concat', concat],
  ['Constant', constantNode],
  ['ConstantOfShape', constantOfShape],
  ['EyeLike', eyeLike],
  ['Gather', gather],
  ['Range', range],
  ['Shape', shapeOf],
  ['Size', size],
  ['Slice', slice],
  ['Squeeze', squeeze],
  ['Unsqueeze', unsqueeze],
]
