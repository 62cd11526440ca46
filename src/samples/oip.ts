import { z } from 'zod'
import { QuantdError } from '../errors.js'
import type { NumericDType } from '../graph/tensor/dtype.js'

/** Datatypes of the Open Inference Protocol v2 and our names of them; BYTES has no numbers and is not served. */
const names: Readonly<Partial<Record<NumericDType, string>>> = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  bfloat16: 'BF16',
}
const byName = new Map(Object.entries(names).map(([dtype, name]) => [name, dtype as NumericDType]))

/** @throws ERR_REQUEST_DTYPE for BYTES and unknown names */
export function dtypeFromOip(datatype: string, where: string): NumericDType {
  const dtype = byName.get(datatype)
  if (dtype !== undefined) return dtype
  const hint =
    datatype === 'BYTES' ? '; texts and images as BYTES are not served, send an image with content type image/jpeg or image/png' : ''
  throw new QuantdError('ERR_REQUEST_DTYPE', `${where}: datatype ${datatype.slice(0, 40)} is not served${hint}`, {
    details: { actual: datatype.slice(0, 40) },
  })
}

/** The protocol's name, or our own for a type that it does not have. */
export const oipDatatype = (dtype: NumericDType): string => names[dtype] ?? dtype.toUpperCase()

const Parameters = z.record(z.string(), z.unknown())

/** The parts of an OIP v2 inference request that are read; anything else is ignored. `data` is checked where it becomes numbers. */
export const OipRequest = z.object({
  id: z.string().max(256).optional(),
  parameters: Parameters.optional(),
  inputs: z
    .array(
      z.object({
        name: z.string(),
        shape: z.array(z.int().min(0)).max(32),
        datatype: z.string(),
        parameters: Parameters.optional(),
        data: z.custom<readonly unknown[]>(Array.isArray).optional(),
      }),
    )
    .max(256),
  outputs: z
    .array(z.object({ name: z.string(), parameters: Parameters.optional() }))
    .max(256)
    .optional(),
})
export type OipRequest = z.infer<typeof OipRequest>
export type OipInput = OipRequest['inputs'][number]

/** The parts of an OIP v2 inference response. */
export const OipResponse = z.object({
  model_name: z.string(),
  model_version: z.string().optional(),
  id: z.string().optional(),
  outputs: z.array(
    z.object({
      name: z.string(),
      shape: z.array(z.int().min(0)),
      datatype: z.string(),
      parameters: Parameters.optional(),
      data: z.custom<readonly unknown[]>(Array.isArray).optional(),
    }),
  ),
})
export type OipResponse = z.infer<typeof OipResponse>

/** Size in bytes of a tensor that follows the JSON header; undefined when its values are in the JSON. @throws ERR_REQUEST_HEADER */
export function binarySize({ name, parameters }: Pick<OipInput, 'name' | 'parameters'>): number | undefined {
  const size = parameters?.binary_data_size
  if (size === undefined || (Number.isSafeInteger(size) && (size as number) >= 0)) return size as number | undefined
  throw new QuantdError('ERR_REQUEST_HEADER', `'${name}': binary_data_size is no count of bytes`)
}
