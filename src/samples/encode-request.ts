import { QuantdError } from '../errors.js'
import type { Tensor } from '../graph/tensor/tensor.js'
import { bytesOf, joinBinary } from './binary-body.js'
import { formatJsonValues } from './json-values.js'
import { oipDatatype } from './oip.js'
import { contentTypes, type EncodedRequest } from './request.js'
import type { WantedOutput } from './request-context.js'

export interface EncodeRequestOptions {
  /** 'raw' carries one tensor and nothing else. */
  readonly form: 'json' | 'oip' | 'raw'
  readonly id?: string
  /** Absent: all outputs, binary when the request is. */
  readonly outputs?: readonly WantedOutput[]
}

/** A request as a client sends it. @throws ERR_REQUEST_INPUTS for 'raw' with other than one tensor */
export function encodeRequest(inputs: Readonly<Record<string, Tensor>>, { form, id, outputs }: EncodeRequestOptions): EncodedRequest {
  const entries = Object.entries(inputs)
  if (form === 'raw') {
    const [only] = entries
    if (only === undefined || entries.length > 1)
      throw new QuantdError('ERR_REQUEST_INPUTS', `a raw request carries one input, not ${entries.length}`)
    return { contentType: contentTypes.raw, body: bytesOf(only[1]) }
  }
  const parts = entries.map(([name, tensor]) => {
    const head = `{"name":${JSON.stringify(name)},"datatype":"${oipDatatype(tensor.dtype)}","shape":[${tensor.shape.join()}]`
    return form === 'json'
      ? `${head},"data":${formatInputValues(tensor)}}`
      : `${head},"parameters":{"binary_data_size":${tensor.data.byteLength}}}`
  })
  const idPart = id === undefined ? '' : `"id":${JSON.stringify(id)},`
  const json = `{${idPart}"inputs":[${parts.join()}]${formatOutputs(form, outputs)}}`
  if (form === 'json') return { contentType: contentTypes.json, body: Buffer.from(json) }
  return {
    contentType: contentTypes.oip,
    ...joinBinary(
      json,
      entries.map(([, tensor]) => bytesOf(tensor)),
    ),
  }
}

function formatOutputs(form: 'json' | 'oip', outputs: readonly WantedOutput[] | undefined): string {
  if (outputs === undefined) return form === 'oip' ? ',"parameters":{"binary_data_output":true}' : ''
  return `,"outputs":${JSON.stringify(outputs.map(output => ({ name: output.name, parameters: { binary_data: output.form === 'binary' } })))}`
}

/** Wide integers beyond 2^53 as strings, which `readJsonValues` reads; all else as in a response. */
function formatInputValues({ dtype, data }: Tensor): string {
  if (dtype !== 'int64' && dtype !== 'uint64') return formatJsonValues(dtype, data)
  return `[${Array.from(data as BigInt64Array, value => (Number.isSafeInteger(Number(value)) ? `${value}` : `"${value}"`)).join()}]`
}
