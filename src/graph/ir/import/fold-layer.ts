import { dtypes, type NumericDType } from '../../tensor/dtype.js'
import { type ConstantTensor, constant, constantData, elementCount } from '../../tensor/tensor.js'
import { dtypeOf } from '../element-types.js'
import type { ImportCall } from './import-call.js'

/** Elements above which a layer stays: what arithmetic on shapes and biases comes to is small, and weights are the engine's to fold. */
const mostElements = 4096

interface Values {
  readonly shape: readonly number[]
  readonly values: readonly number[]
}

/** Results of one layer, all of one type, or undefined where it is not folded. */
type Fold = (call: ImportCall, inputs: readonly Values[]) => readonly Values[] | undefined

const arithmetic =
  (compute: (a: number, b: number) => number): Fold =>
  (_, [a, b]) => {
    if (a === undefined || b === undefined) return undefined
    const [count, others] = [a.values.length, b.values.length]
    if (count !== others && count !== 1 && others !== 1) return undefined
    if (count === others && a.shape.join() !== b.shape.join() && count !== 1) return undefined
    const shape = a.shape.length >= b.shape.length && count >= others ? a.shape : b.shape
    const at = ({ values }: Values, index: number) => values[values.length === 1 ? 0 : index]!
    return [{ shape, values: Array.from({ length: Math.max(count, others) }, (_, index) => compute(at(a, index), at(b, index))) }]
  }

const positive = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis)

function split(call: ImportCall, [data, axes, given]: readonly Values[]): readonly Values[] | undefined {
  const axis = positive(axes!.values[0]!, data!.shape.length)
  const size = data!.shape[axis]!
  const count = call.outputs.length
  const lengths = given?.values ?? Array.from({ length: count }, () => size / count)
  const rest = size - lengths.reduce((sum, length) => sum + Math.max(0, length), 0)
  const sizes = lengths.map(length => (length === -1 ? rest : length))
  const inner = elementCount(data!.shape.slice(axis + 1))
  let start = 0
  return sizes.map(length => {
    const from = start
    start += length
    const values = data!.values.filter((_, index) => {
      const at = Math.floor(index / inner) % size
      return at >= from && at < from + length
    })
    return { shape: data!.shape.map((each, at) => (at === axis ? length : each)), values }
  })
}

function concat(call: ImportCall, inputs: readonly Values[]): readonly Values[] {
  const [first] = inputs
  const axis = positive(call.number('axis', 0), first!.shape.length)
  const outer = elementCount(first!.shape.slice(0, axis))
  const rows = inputs.map(({ shape }) => elementCount(shape.slice(axis)))
  const values = Array.from({ length: outer }, (_, row) =>
    inputs.flatMap((input, at) => input.values.slice(row * rows[at]!, (row + 1) * rows[at]!)),
  ).flat()
  const size = inputs.reduce((sum, { shape }) => sum + shape[axis]!, 0)
  return [{ shape: first!.shape.map((each, at) => (at === axis ? size : each)), values }]
}

function range(_: ImportCall, [start, stop, step]: readonly Values[]): readonly Values[] | undefined {
  const [from, to, by] = [start!.values[0]!, stop!.values[0]!, step!.values[0]!]
  if (by === 0) return undefined
  const count = Math.max(0, Math.ceil((to - from) / by))
  return count > mostElements ? undefined : [{ shape: [count], values: Array.from({ length: count }, (_, index) => from + index * by) }]
}

function reshape(_: ImportCall, [data, target]: readonly Values[]): readonly Values[] | undefined {
  const wanted = target!.values.map((size, at) => (size === 0 ? (data!.shape[at] ?? 0) : size))
  const known = wanted.reduce((product, size) => product * (size === -1 ? 1 : size), 1)
  const shape = wanted.map(size => (size === -1 ? data!.values.length / known : size))
  return elementCount(shape) === data!.values.length ? [{ shape, values: data!.values }] : undefined
}

function squeeze(_: ImportCall, [data, axes]: readonly Values[]): readonly Values[] {
  const rank = data!.shape.length
  const taken = axes?.values.map(axis => positive(axis, rank)) ?? data!.shape.flatMap((size, axis) => (size === 1 ? [axis] : []))
  return [{ shape: data!.shape.filter((_, axis) => !taken.includes(axis)), values: data!.values }]
}

function unsqueeze(_: ImportCall, [data, axes]: readonly Values[]): readonly Values[] {
  const rank = data!.shape.length + axes!.values.length
  const added = axes!.values.map(axis => positive(axis, rank))
  const sizes = [...data!.shape]
  return [{ shape: Array.from({ length: rank }, (_, axis) => (added.includes(axis) ? 1 : sizes.shift()!)), values: data!.values }]
}

function gather(call: ImportCall, [data, indices, axes]: readonly Values[]): readonly Values[] | undefined {
  if (data!.shape.length !== 1 || (axes?.values[0] ?? 0) > 0 || call.number('batch_dims', 0) !== 0) return undefined
  const values = indices!.values.map(index => data!.values[positive(index, data!.values.length)])
  return values.includes(undefined) ? undefined : [{ shape: indices!.shape, values: values as number[] }]
}

const folds: Readonly<Record<string, Fold>> = {
  Add: arithmetic((a, b) => a + b),
  Subtract: arithmetic((a, b) => a - b),
  Multiply: arithmetic((a, b) => a * b),
  Concat: concat,
  Gather: gather,
  Range: range,
  Reshape: reshape,
  Split: split,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  VariadicSplit: split,
}

/**
 * Computes a layer whose inputs are all constants and small: files that OpenVINO saved have arithmetic on shapes and biases in them that other layers want as
 * numbers. False where nothing was folded.
 */
export function foldLayer(call: ImportCall): boolean {
  const { layer, outputs } = call
  if (layer.type === 'ShapeOf') return foldShape(call)
  if (layer.type === 'Reshape' && renamed(call)) return true
  const fold = folds[layer.type]
  const tensors = call.inputs.map((_, index) => call.constant(index))
  if (fold === undefined || tensors.length === 0) return false
  if (!tensors.every((tensor): tensor is ConstantTensor => tensor !== undefined && elementCount(tensor.shape) <= mostElements)) return false
  const { dtype } = tensors[0]!
  if (!['int32', 'int64', 'float32'].includes(dtype)) return false
  const found = fold(call, tensors.map(valuesOf))
  if (found === undefined || found.length !== outputs.length) return false
  found.forEach((result, index) => {
    call.builder.setConstant(outputs[index]!, constantFrom(dtype as NumericDType, result))
  })
  return true
}

/** Another shape of a constant of any size. */
function renamed(call: ImportCall): boolean {
  const [data, target] = [call.constant(0), call.constant(1)]
  if (data === undefined || target === undefined) return false
  const [found] = reshape(call, [{ shape: data.shape, values: { length: elementCount(data.shape) } as number[] }, valuesOf(target)]) ?? []
  if (found === undefined) return false
  call.builder.setConstant(call.outputs[0]!, { ...data, shape: found.shape })
  return true
}

/** The shape of a value whose port has no free size. */
function foldShape(call: ImportCall): boolean {
  const sizes = call.dims(0)
  const dtype = dtypeOf(call.text('output_type', 'i64'))
  if (sizes.length === 0 || sizes.some(size => size < 0) || (dtype !== 'int64' && dtype !== 'int32')) return false
  call.builder.setConstant(call.outputs[0]!, constantFrom(dtype, { shape: [sizes.length], values: sizes }))
  return true
}

const valuesOf = (tensor: ConstantTensor): Values => ({
  shape: tensor.shape,
  values: Array.from(constantData(tensor) as ArrayLike<number | bigint>, Number),
})

function constantFrom(dtype: NumericDType, { shape, values }: Values): ConstantTensor {
  if (dtype === 'int64') return constant(dtype, shape, BigInt64Array.from(values, BigInt))
  return constant(dtype, shape, new dtypes[dtype].array(values as never))
}
