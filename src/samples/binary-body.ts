import type { Tensor } from '../graph/tensor/tensor.js'

/** The values of a tensor as little-endian bytes: a view. */
export const bytesOf = ({ data }: Tensor): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

/** JSON header, padded with spaces so that the first tensor lies at a multiple of 8, then the tensors one after another. */
export function joinBinary(json: string, tensors: readonly Uint8Array[]): { readonly jsonLength: number; readonly body: Uint8Array } {
  const jsonBytes = Buffer.byteLength(json)
  const jsonLength = Math.ceil(jsonBytes / 8) * 8
  const body = Buffer.allocUnsafeSlow(tensors.reduce((sum, bytes) => sum + bytes.length, jsonLength))
  body.write(json)
  body.fill(0x20, jsonBytes, jsonLength)
  let at = jsonLength
  for (const bytes of tensors) {
    body.set(bytes, at)
    at += bytes.length
  }
  return { jsonLength, body: new Uint8Array(body.buffer, body.byteOffset, body.length) }
}
