import { clearField, create } from '@bufbuild/protobuf'
import { QuantdError } from '../../errors.js'
import { type DType, dtypeFromOnnx, dtypes } from '../tensor/dtype.js'
import type { ConstantTensor } from '../tensor/tensor.js'
import { type TensorProto, TensorProto_DataLocation, TensorProtoSchema } from './generated/onnx_pb.js'

/** Gives `length` bytes at `offset` of the file `location` beside the model; `length` undefined = to its end. @throws ERR_ONNX_EXTERNAL */
export type ExternalData = (location: string, offset: number, length: number | undefined) => Uint8Array

/** Where a tensor stands, for messages: "initializer 'w'", "node 'conv1': attribute 'value'". */
export interface TensorPlace {
  readonly place: string
  readonly externalData: ExternalData | undefined
}

/**
 * The constant that `proto` holds, over its own bytes where it has raw data; undefined when its element type or form (segments) is unknown here.
 * Values of typed fields become bytes, and those fields of `proto` are emptied, so that the values are held once.
 * @throws ERR_ONNX_TENSOR, ERR_ONNX_EXTERNAL
 */
export function readTensor(proto: TensorProto, { place, externalData }: TensorPlace): ConstantTensor | undefined {
  const dtype = dtypeFromOnnx(proto.dataType)
  if (dtype === undefined || proto.segment !== undefined) return undefined
  const shape = readShape(proto.dims, place)
  const elements = shape.reduce((product, size) => product * size, 1)
  if (dtype === 'string') {
    if (proto.stringData.length !== elements) throw sizeError(place, shape, `${proto.stringData.length} strings`, `${elements}`)
    return Object.freeze({ dtype, shape, bytes: new Uint8Array(), strings: proto.stringData, source: proto })
  }
  const byteLength = Math.ceil((elements * dtypes[dtype].bits) / 8)
  if (!Number.isSafeInteger(elements)) throw sizeError(place, shape, 'a size beyond 2^53', 'less')
  const bytes =
    proto.dataLocation === TensorProto_DataLocation.EXTERNAL
      ? readExternal(proto, { place, externalData }, byteLength)
      : proto.rawData.byteLength > 0
        ? proto.rawData
        : typedBytes(proto, dtype, elements)
  if (bytes.byteLength !== byteLength) throw sizeError(place, shape, `${bytes.byteLength} bytes`, `${byteLength}`)
  proto.floatData = []
  proto.int32Data = []
  proto.int64Data = []
  proto.doubleData = []
  proto.uint64Data = []
  proto.externalData = []
  clearField(proto, TensorProtoSchema.field.dataLocation)
  if (byteLength > 0) proto.rawData = bytes
  return Object.freeze({ dtype, shape, bytes, source: proto })
}

/** The message for `tensor` under `name`: the one it was read from while values and name are the same. */
export function writeTensor(tensor: ConstantTensor, name: string): TensorProto {
  const { source, dtype, shape, bytes, strings } = tensor
  if (source !== undefined && source.name === name && (source.rawData === bytes || bytes.byteLength === 0)) return source
  return create(TensorProtoSchema, {
    dims: shape.map(BigInt),
    dataType: dtypes[dtype].onnx,
    ...(name === '' ? {} : { name }),
    ...(strings === undefined ? { rawData: bytes } : { stringData: [...strings] }),
  })
}

function readShape(dims: readonly bigint[], place: string): readonly number[] {
  return Object.freeze(
    dims.map(size => {
      if (size < 0n || size > BigInt(Number.MAX_SAFE_INTEGER)) {
        throw new QuantdError('ERR_ONNX_TENSOR', `${place}: shape [${dims.join()}] has the size ${size}`, {
          details: { place, shape: dims.map(String) },
        })
      }
      return Number(size)
    }),
  )
}

function sizeError(place: string, shape: readonly number[], found: string, expected: string): QuantdError {
  return new QuantdError('ERR_ONNX_TENSOR', `${place}: has ${found}, its shape [${shape.join()}] needs ${expected}`, {
    details: { place, shape, found, expected },
  })
}

/** Bytes of the typed field that ONNX gives each type (TensorProto: float_data, int32_data, int64_data, double_data, uint64_data). */
function typedBytes(proto: TensorProto, dtype: DType, elements: number): Uint8Array {
  if (elements === 0) return new Uint8Array()
  switch (dtype) {
    case 'float32':
    case 'complex64':
      return bytesOf(Float32Array.from(proto.floatData))
    case 'float64':
    case 'complex128':
      return bytesOf(Float64Array.from(proto.doubleData))
    case 'int64':
      return bytesOf(BigInt64Array.from(proto.int64Data))
    case 'uint64':
      return bytesOf(BigUint64Array.from(proto.uint64Data))
    case 'uint32':
      return bytesOf(Uint32Array.from(proto.uint64Data, Number))
    case 'int32':
      return bytesOf(Int32Array.from(proto.int32Data))
    default:
      return bytesOf(dtypes[dtype].bits === 16 ? Uint16Array.from(proto.int32Data) : Uint8Array.from(proto.int32Data))
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** TensorProto.external_data: keys location, offset, length, checksum (ignored). */
function readExternal(proto: TensorProto, { place, externalData }: TensorPlace, byteLength: number): Uint8Array {
  const fields = new Map(proto.externalData.map(({ key, value }) => [key, value]))
  const fail = (what: string) =>
    new QuantdError('ERR_ONNX_EXTERNAL', `${place}: ${what}`, { details: { place, ...Object.fromEntries(fields) } })
  const location = fields.get('location')
  if (location === undefined || location === '') throw fail('names no file for its data')
  const sizeOf = (key: string): number | undefined => {
    const text = fields.get(key)
    if (text === undefined) return undefined
    if (!/^\d{1,15}$/.test(text)) throw fail(`external data has the ${key} '${text.slice(0, 40)}'`)
    return Number(text)
  }
  const offset = sizeOf('offset') ?? 0
  const length = sizeOf('length')
  if (length !== undefined && length !== byteLength) throw fail(`external data is ${length} bytes long, its shape needs ${byteLength}`)
  if (externalData === undefined) throw fail(`its data is in the file '${location}', which was not handed in`)
  return externalData(location, offset, byteLength)
}
