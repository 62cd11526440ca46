/**
 * Element types by their ONNX number (TensorProto.DataType). `bits` is the storage of one element; types narrower than a byte are packed.
 * `array` is how the values are read in JavaScript; types without one are carried as bytes and pass through untouched.
 */
export const dtypes = {
  float32: { onnx: 1, bits: 32, array: Float32Array },
  uint8: { onnx: 2, bits: 8, array: Uint8Array },
  int8: { onnx: 3, bits: 8, array: Int8Array },
  uint16: { onnx: 4, bits: 16, array: Uint16Array },
  int16: { onnx: 5, bits: 16, array: Int16Array },
  int32: { onnx: 6, bits: 32, array: Int32Array },
  int64: { onnx: 7, bits: 64, array: BigInt64Array },
  string: { onnx: 8, bits: 0, array: undefined },
  bool: { onnx: 9, bits: 8, array: Uint8Array },
  float16: { onnx: 10, bits: 16, array: Uint16Array },
  float64: { onnx: 11, bits: 64, array: Float64Array },
  uint32: { onnx: 12, bits: 32, array: Uint32Array },
  uint64: { onnx: 13, bits: 64, array: BigUint64Array },
  complex64: { onnx: 14, bits: 64, array: undefined },
  complex128: { onnx: 15, bits: 128, array: undefined },
  bfloat16: { onnx: 16, bits: 16, array: Uint16Array },
  float8e4m3fn: { onnx: 17, bits: 8, array: Uint8Array },
  float8e4m3fnuz: { onnx: 18, bits: 8, array: Uint8Array },
  float8e5m2: { onnx: 19, bits: 8, array: Uint8Array },
  float8e5m2fnuz: { onnx: 20, bits: 8, array: Uint8Array },
  uint4: { onnx: 21, bits: 4, array: undefined },
  int4: { onnx: 22, bits: 4, array: undefined },
  float4e2m1: { onnx: 23, bits: 4, array: undefined },
  float8e8m0: { onnx: 24, bits: 8, array: Uint8Array },
  uint2: { onnx: 25, bits: 2, array: undefined },
  int2: { onnx: 26, bits: 2, array: undefined },
} as const

export type DType = keyof typeof dtypes

/** Types that engines take and give at run time. float16 travels as its 16-bit patterns. */
export type NumericDType = {
  [K in DType]: (typeof dtypes)[K]['array'] extends undefined ? never : K
}[DType]

export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array

const byOnnx = new Map<number, DType>(Object.entries(dtypes).map(([name, { onnx }]) => [onnx, name as DType]))

/** The type with this ONNX number, or undefined for one that this build does not know. */
export function dtypeFromOnnx(onnx: number): DType | undefined {
  return byOnnx.get(onnx)
}
