import { errorMessage, QuantdError } from '../errors.js'
import type { Tensor } from '../graph/tensor/tensor.js'
import { readBytes } from './decode-oip.js'
import { readJsonValues } from './json-values.js'
import { binarySize, dtypeFromOip, OipResponse } from './oip.js'
import type { EncodedResponse } from './request.js'

export interface DecodedResponse {
  readonly modelName: string
  readonly modelVersion: string | undefined
  readonly id: string | undefined
  readonly outputs: Readonly<Record<string, Tensor>>
}

/** An answer as a client reads it. null (what JSON has for NaN and the infinities) is read as NaN. @throws ERR_RESPONSE_FORMAT */
export function decodeResponse({ body, jsonLength }: EncodedResponse): DecodedResponse {
  try {
    const json: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, jsonLength ?? body.length).toString())
    const response = OipResponse.parse(json)
    let at = jsonLength ?? body.length
    const outputs = response.outputs.map(({ name, datatype, shape, data, parameters }): [string, Tensor] => {
      const where = `output '${name}'`
      const dtype = dtypeFromOip(datatype, where)
      const size = binarySize({ name, parameters })
      if (size === undefined) return [name, { dtype, shape, data: readNullable(data ?? [], { dtype, shape, where }) }]
      at += size
      return [name, { dtype, shape, data: readBytes(body.subarray(at - size, at), { dtype, shape, where }) }]
    })
    return { modelName: response.model_name, modelVersion: response.model_version, id: response.id, outputs: Object.fromEntries(outputs) }
  } catch (error) {
    throw new QuantdError('ERR_RESPONSE_FORMAT', `the answer is no OIP v2 response: ${errorMessage(error)}`, { cause: error })
  }
}

function readNullable(data: readonly unknown[], place: Pick<Tensor, 'dtype' | 'shape'> & { readonly where: string }): Tensor['data'] {
  const values = readJsonValues(
    data.map(value => value ?? 0),
    place,
  )
  if (place.dtype === 'float32' || place.dtype === 'float64') {
    for (const [i, value] of data.entries()) if (value === null) values[i] = Number.NaN
  } else if (place.dtype === 'float16') {
    for (const [i, value] of data.entries()) if (value === null) values[i] = 0x7e00
  }
  return values
}
