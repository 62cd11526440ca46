import type { Tensor } from '../graph/tensor/tensor.js'
import { bytesOf, joinBinary } from './binary-body.js'
import { formatJsonValues } from './json-values.js'
import { oipDatatype } from './oip.js'
import { contentTypes, type EncodedResponse } from './request.js'
import type { WantedOutput } from './request-context.js'

export interface ResponseFields {
  readonly modelName: string
  readonly modelVersion: string
  readonly id?: string | undefined
  readonly outputs: Readonly<Record<string, Tensor>>
  /** Which outputs go out, in which order and form. */
  readonly wanted: readonly WantedOutput[]
}

/**
 * The OIP v2 response. Without a binary output it is JSON; with one, a JSON header and behind it the binary outputs in their order, little-endian.
 * JSON values as `formatJsonValues` writes them: NaN and the infinities become null.
 */
export function encodeResponse({ modelName, modelVersion, id, outputs, wanted }: ResponseFields): EncodedResponse {
  const binaries: Uint8Array[] = []
  const parts = wanted.map(({ name, form }) => {
    const tensor = outputs[name]!
    const head = `{"name":${JSON.stringify(name)},"datatype":"${oipDatatype(tensor.dtype)}","shape":[${tensor.shape.join()}]`
    if (form === 'json') return `${head},"data":${formatJsonValues(tensor.dtype, tensor.data)}}`
    const bytes = bytesOf(tensor)
    binaries.push(bytes)
    return `${head},"parameters":{"binary_data_size":${bytes.length}}}`
  })
  const idPart = id === undefined ? '' : `"id":${JSON.stringify(id)},`
  const json = `{"model_name":${JSON.stringify(modelName)},"model_version":${JSON.stringify(modelVersion)},${idPart}"outputs":[${parts.join()}]}`
  if (binaries.length === 0) return { contentType: contentTypes.json, body: Buffer.from(json) }
  return { contentType: contentTypes.oip, ...joinBinary(json, binaries) }
}
