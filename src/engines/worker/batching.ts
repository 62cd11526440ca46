import { dtypes } from '../../graph/tensor/dtype.js'
import type { TensorSpec } from '../../graph/tensor/spec.js'
import type { Tensor } from '../../graph/tensor/tensor.js'

type Tensors = Readonly<Record<string, Tensor>>

/** True when axis 0 is free in every input and output: then requests may share an inference, one behind the other on that axis. */
export function isBatchable({
  inputs,
  outputs,
}: {
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}): boolean {
  return [...inputs, ...outputs].every(({ shape }) => shape.length > 0 && typeof shape[0] !== 'number')
}

/** Size of axis 0, the same in all tensors; undefined when they disagree. */
export function batchOf(tensors: Tensors): number | undefined {
  const [first, ...others] = Object.values(tensors).map(({ shape }) => shape[0])
  return others.every(size => size === first) ? first : undefined
}

/** Equal in everything but axis 0. */
export function canShare(a: Tensors, b: Tensors): boolean {
  return Object.entries(a).every(([name, { shape }]) => {
    const other = b[name]?.shape
    return other?.length === shape.length && shape.every((size, axis) => axis === 0 || size === other[axis])
  })
}

/** Concatenates along axis 0. All have the same names, dtypes and remaining axes. */
export function joinBatches(parts: readonly Tensors[]): Tensors {
  const [first] = parts
  if (first === undefined || parts.length === 1) return first ?? {}
  return Object.fromEntries(
    Object.entries(first).map(([name, { dtype, shape }]) => {
      const tensors = parts.flatMap(part => part[name] ?? [])
      const data = new dtypes[dtype].array(tensors.reduce((sum, tensor) => sum + tensor.data.length, 0))
      let at = 0
      for (const tensor of tensors) {
        data.set(tensor.data as never, at)
        at += tensor.data.length
      }
      const batch = tensors.reduce((sum, tensor) => sum + (tensor.shape[0] ?? 0), 0)
      return [name, { dtype, shape: [batch, ...shape.slice(1)], data }]
    }),
  )
}

/** Parts of `sizes` along axis 0, as views; undefined when an output does not have the whole batch on axis 0. */
export function splitBatches(outputs: Tensors, sizes: readonly number[]): Tensors[] | undefined {
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (Object.values(outputs).some(({ shape }) => shape[0] !== total)) return undefined
  let start = 0
  return sizes.map(size => {
    const from = start
    start += size
    return Object.fromEntries(
      Object.entries(outputs).map(([name, { dtype, shape, data }]) => {
        const perItem = data.length / total
        return [name, { dtype, shape: [size, ...shape.slice(1)], data: data.subarray(from * perItem, (from + size) * perItem) }]
      }),
    )
  })
}
