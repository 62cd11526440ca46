import { z } from 'zod'
import { errorMessage, QuantdError } from '../errors.js'
import { contentTypes, type EncodedRequest } from './request.js'

/** What a caller without MQTT 5 properties writes into the JSON of its request, beside what the Open Inference Protocol has there. */
export const Envelope = z.object({
  response_topic: z.string().max(256).optional(),
  correlation: z.string().max(128).optional(),
  id: z.string().max(256).optional(),
  timeout_ms: z.number().min(0).max(86_400_000).optional(),
  version: z.string().max(64).optional(),
  priority: z.literal([0, 1, 2, 3]).optional(),
})
export type Envelope = z.infer<typeof Envelope>

export interface EnvelopedRequest {
  readonly envelope: Envelope
  readonly request: EncodedRequest
}

const magic = 0x3250494f // "OIP2", little-endian
const prefixBytes = 8

export const isOip2 = (bytes: Uint8Array): boolean => bytes.length >= prefixBytes && viewOf(bytes).getUint32(0, true) === magic

/**
 * A binary request of MQTT 3.1.1 (mqtt-contract.md 4b):
 *
 * | offset | size | name |
 * |---|---|---|
 * | 0 | 4 | "OIP2" |
 * | 4 | 4 | size of the JSON header, little-endian |
 * | 8 | - | JSON header: the OIP request with the fields of `Envelope` beside, then the tensors in input order |
 *
 * The request is a view of `bytes`. @throws ERR_REQUEST_HEADER, ERR_REQUEST_JSON
 */
export function parseOip2(bytes: Uint8Array): EnvelopedRequest {
  if (!isOip2(bytes)) throw new QuantdError('ERR_REQUEST_HEADER', 'no "OIP2" at the start of the request')
  const jsonLength = viewOf(bytes).getUint32(4, true)
  const body = bytes.subarray(prefixBytes)
  if (jsonLength > body.length) {
    throw new QuantdError('ERR_REQUEST_HEADER', `the JSON header has ${jsonLength} bytes, ${body.length} follow`, {
      details: { expected: jsonLength, actual: body.length },
    })
  }
  return { envelope: parseEnvelope(body.subarray(0, jsonLength)), request: { contentType: contentTypes.oip, jsonLength, body } }
}

/** The same of a request that is JSON alone. @throws ERR_REQUEST_JSON */
export function parseJsonEnvelope(bytes: Uint8Array): EnvelopedRequest {
  return { envelope: parseEnvelope(bytes), request: { contentType: contentTypes.json, body: bytes } }
}

/** Puts the envelope's fields into the JSON of a request, and the prefix before a binary one. @throws ERR_REQUEST_MEDIA for other encodings */
export function formatEnveloped({ envelope, request }: EnvelopedRequest): Uint8Array {
  const { contentType, body, jsonLength = body.length } = request
  if (contentType !== contentTypes.oip && contentType !== contentTypes.json) {
    throw new QuantdError('ERR_REQUEST_MEDIA', `${contentType} has no JSON that could carry a reply topic`)
  }
  const json = Buffer.from(JSON.stringify({ ...(parseJson(body.subarray(0, jsonLength)) as object), ...envelope }))
  if (contentType === contentTypes.json) return json
  const padded = Math.ceil(json.length / 8) * 8
  const prefix = Buffer.alloc(prefixBytes)
  prefix.writeUInt32LE(magic, 0)
  prefix.writeUInt32LE(padded, 4)
  return Buffer.concat([prefix, json, Buffer.alloc(padded - json.length, ' '), body.subarray(jsonLength)])
}

function parseEnvelope(bytes: Uint8Array): Envelope {
  const { success, data, error } = Envelope.safeParse(parseJson(bytes))
  if (success) return data
  const [issue] = error.issues
  throw new QuantdError('ERR_REQUEST_JSON', `the request's ${issue?.path.join('.') || 'body'}: ${issue?.message}`)
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString())
  } catch (error) {
    throw new QuantdError('ERR_REQUEST_JSON', `the request is no JSON: ${errorMessage(error).slice(0, 120)}`, { cause: error })
  }
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
