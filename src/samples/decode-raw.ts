import { QuantdError } from '../errors.js'
import { dtypes, type NumericDType } from '../graph/tensor/dtype.js'
import type { TensorSpec } from '../graph/tensor/spec.js'
import { elementCount, type Tensor } from '../graph/tensor/tensor.js'
import { readBytes } from './decode-oip.js'
import { isFloat, normalise } from './normalise.js'
import { type InputContext, onlyInput } from './request-context.js'

/**
 * The values of the only input, little-endian, nothing else; the shape is the model's. They are of the input's dtype, or bytes that model.json says how
 * to normalise. Which of both, and the one free size that a body may stretch, follow from its length: free sizes taken as 1 are tried first, bytes
 * before values.
 * @throws ERR_REQUEST_MEDIA, ERR_REQUEST_SHAPE
 */
export function decodeRaw(body: Uint8Array, context: InputContext): Map<string, Tensor> {
  const spec = onlyInput(context, 'application/octet-stream')
  const preprocessing = context.manifest.inputs[spec.name]
  const dtypesTried: NumericDType[] = preprocessing !== undefined && isFloat(spec.dtype) ? ['uint8', spec.dtype] : [spec.dtype]
  const found = resolve(spec, dtypesTried, body.length)
  if (found === undefined) {
    const shown = spec.shape.map(size => size ?? '?')
    throw new QuantdError(
      'ERR_REQUEST_SHAPE',
      `input '${spec.name}': ${body.length} bytes do not fill [${shown.join()}] of ${dtypesTried.join(' or ')}`,
      {
        details: { input: spec.name, expected: shown, actual: body.length },
      },
    )
  }
  const { dtype, shape } = found
  const data = readBytes(body, { dtype, shape, where: `input '${spec.name}'` })
  if (dtype === spec.dtype || preprocessing === undefined || !isFloat(spec.dtype)) return new Map([[spec.name, { dtype, shape, data }]])
  const values = normalise(data as Uint8Array, { shape, preprocessing, dtype: spec.dtype })
  return new Map([[spec.name, { dtype: spec.dtype, shape, data: values }]])
}

function resolve(spec: TensorSpec, tried: readonly NumericDType[], bytes: number): { dtype: NumericDType; shape: number[] } | undefined {
  const ones = spec.shape.map(size => (typeof size === 'number' ? size : 1))
  const unit = (dtype: NumericDType) => elementCount(ones) * dtypes[dtype].array.BYTES_PER_ELEMENT
  for (const dtype of tried) if (unit(dtype) === bytes) return { dtype, shape: ones }
  const free = spec.shape.flatMap((size, axis) => (typeof size === 'number' ? [] : [axis]))
  // The batch axis is the only one to stretch when it is free; without it, a single free size.
  const axis = free[0] === 0 || free.length === 1 ? free[0] : undefined
  if (axis === undefined) return undefined
  for (const dtype of tried) {
    const times = bytes / unit(dtype)
    if (Number.isInteger(times) && times >= 1) return { dtype, shape: ones.map((size, i) => (i === axis ? times : size)) }
  }
  return undefined
}
