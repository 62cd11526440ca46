import { invariant } from '../../errors.js'
import type { TensorProto } from '../onnx/generated/onnx_pb.js'
import { type DType, dtypes, type NumericDType, type TensorData } from './dtype.js'

/** A tensor at run time: what engines take and give. Row-major; `shape` [] is a scalar. `data` belongs to whoever made it and is not copied. */
export interface Tensor {
  readonly dtype: NumericDType
  readonly shape: readonly number[]
  readonly data: TensorData
}

/** Number of elements of `shape`; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/**
 * A constant of a graph: raw little-endian bytes, usually a view over the model file, never written to.
 * `strings` holds the values of a string tensor, whose `bytes` are empty.
 */
export interface ConstantTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
  readonly strings?: readonly Uint8Array[]
  /** What the file said beside the values (documentation, metadata): written back with them. */
  readonly source?: TensorProto
}

/** The values of a constant as a typed array: a view when its bytes are aligned, else a copy. Treat as read-only. */
export function constantData(tensor: ConstantTensor): TensorData {
  const { array } = dtypes[tensor.dtype]
  invariant(array !== undefined, `constants of type ${tensor.dtype} have no values in JavaScript`)
  const { bytes } = tensor
  const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes)
  return new array(aligned.buffer as ArrayBuffer, aligned.byteOffset, bytes.byteLength / array.BYTES_PER_ELEMENT)
}

/** A constant over `data`, sharing its memory. */
export function constant(dtype: NumericDType, shape: readonly number[], data: TensorData): ConstantTensor {
  invariant(data.length === elementCount(shape), `${data.length} values for shape [${shape.join()}]`)
  return Object.freeze({ dtype, shape: Object.freeze([...shape]), bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) })
}

export const scalar = (dtype: NumericDType, data: TensorData): ConstantTensor => constant(dtype, [], data)
