import { create } from '@bufbuild/protobuf'
import type { Dimension, ValueInfo } from '../graph.js'
import { dtypeFromOnnx, dtypes } from '../tensor/dtype.js'
import {
  type TensorShapeProto_Dimension,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from './generated/onnx_pb.js'

/** Name, type and shape of a declared value. Negative sizes, which some exporters write for dynamic ones, are unknown. */
export function readValueInfo(source: ValueInfoProto): ValueInfo {
  const type = source.type?.value
  const tensor = type?.case === 'tensorType' ? type.value : undefined
  return Object.freeze({
    name: source.name,
    dtype: tensor === undefined ? undefined : dtypeFromOnnx(tensor.elemType),
    shape: tensor?.shape === undefined ? undefined : Object.freeze(tensor.shape.dim.map(dimensionOf)),
    source,
  })
}

function dimensionOf({ value }: TensorShapeProto_Dimension): Dimension {
  if (value.case === 'dimValue') return value.value < 0n ? undefined : Number(value.value)
  return value.case === 'dimParam' && value.value !== '' ? value.value : undefined
}

/** The message for `info`: its source while that says the same, else one made from its fields. */
export function writeValueInfo(info: ValueInfo): ValueInfoProto {
  const { name, dtype, shape, source } = info
  if (source !== undefined) {
    const read = readValueInfo(source)
    if (read.name === name && read.dtype === dtype && sameShape(read.shape, shape)) return source
  }
  const proto = create(ValueInfoProtoSchema, { name })
  if (source !== undefined && dtype === undefined && source.type !== undefined) proto.type = source.type
  if (dtype !== undefined) {
    const tensor = create(TypeProto_TensorSchema, { elemType: dtypes[dtype].onnx })
    if (shape !== undefined) tensor.shape = create(TensorShapeProtoSchema, { dim: shape.map(dimensionProto) })
    proto.type = create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } })
  }
  return proto
}

function dimensionProto(size: Dimension): TensorShapeProto_Dimension {
  if (typeof size === 'number') return create(TensorShapeProto_DimensionSchema, { value: { case: 'dimValue', value: BigInt(size) } })
  if (typeof size === 'string') return create(TensorShapeProto_DimensionSchema, { value: { case: 'dimParam', value: size } })
  return create(TensorShapeProto_DimensionSchema)
}

function sameShape(a: readonly Dimension[] | undefined, b: readonly Dimension[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.length === b.length && a.every((size, axis) => size === b[axis])
}
