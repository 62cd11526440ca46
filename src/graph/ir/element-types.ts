import type { DType } from '../tensor/dtype.js'

/** Element types: ours, `element_type` in <data>, `precision` of a port. */
const names = [
  ['float32', 'f32', 'FP32'],
  ['float16', 'f16', 'FP16'],
  ['bfloat16', 'bf16', 'BF16'],
  ['float64', 'f64', 'FP64'],
  ['int8', 'i8', 'I8'],
  ['uint8', 'u8', 'U8'],
  ['int16', 'i16', 'I16'],
  ['uint16', 'u16', 'U16'],
  ['int32', 'i32', 'I32'],
  ['uint32', 'u32', 'U32'],
  ['int64', 'i64', 'I64'],
  ['uint64', 'u64', 'U64'],
  ['bool', 'boolean', 'BOOL'],
] as const satisfies readonly (readonly [DType, string, string])[]

/** Our name of an `element_type`, or of a precision; undefined for what we cannot hold (u1, i4, ...). */
export const dtypeOf = (name: string): DType | undefined => names.find(([, element, port]) => name === element || name === port)?.[0]

export const elementType = (dtype: DType): string | undefined => names.find(([ours]) => ours === dtype)?.[1]

export const precision = (dtype: DType | undefined): string => names.find(([ours]) => ours === dtype)?.[2] ?? 'UNSPECIFIED'
