import type { IPublishPacket } from 'mqtt'
import { QuantdError } from '../../errors.js'
import { isOip2 } from '../../samples/oip2.js'
import { type ContentType, contentTypes, type EncodedRequest } from '../../samples/request.js'
import { Refusal } from '../wire-errors.js'
import { imageType, type Origin, payloadOf, userProperty } from './origin.js'

/** Versions of the contract that user property `v` may name (mqtt-contract.md 4i). */
export const contractVersions = ['1'] as const

const known = new Set<string>(Object.values(contentTypes))

/**
 * The bytes of an inference request and their encoding; nothing is decoded here, the device worker does that.
 * @throws Refusal UNSUPPORTED_VERSION, UNSUPPORTED_MEDIA; ERR_REQUEST_HEADER
 */
export function readInferMessage(packet: IPublishPacket, { form }: Pick<Origin, 'form'>): EncodedRequest {
  const body = payloadOf(packet)
  if (form === '5') return withProperties(packet, body)
  if (form === 'image') return { contentType: imageType(body) ?? contentTypes.raw, body }
  return form === 'oip2' ? prefixed(body) : { contentType: contentTypes.json, body }
}

function withProperties(packet: IPublishPacket, body: Buffer): EncodedRequest {
  const version = userProperty(packet, 'v') ?? contractVersions[0]
  if (!contractVersions.some(candidate => candidate === version))
    throw new Refusal('UNSUPPORTED_VERSION', 'ERR_MQTT_VERSION', `contract version '${version.slice(0, 20)}' is not spoken here`, {
      details: { supported: contractVersions },
    })
  const contentType = contentTypeOf(packet, body)
  if (contentType !== contentTypes.oip) return { contentType, body }
  const jsonLength = userProperty(packet, 'json-len')
  if (jsonLength === undefined && isOip2(body)) return prefixed(body)
  const bytes = jsonLength === undefined ? Number.NaN : Number(jsonLength)
  if (!Number.isInteger(bytes) || bytes < 0 || bytes > body.length)
    throw new QuantdError(
      'ERR_REQUEST_HEADER',
      `user property 'json-len' is ${jsonLength ?? 'missing'}, the body has ${body.length} bytes`,
      {
        details: { expected: `0..${body.length}`, actual: jsonLength ?? null },
      },
    )
  return { contentType, jsonLength: bytes, body }
}

/** Without a content type: by its first bytes, else raw. @throws Refusal UNSUPPORTED_MEDIA */
function contentTypeOf(packet: IPublishPacket, body: Buffer): ContentType {
  const said = packet.properties?.contentType
  if (said === undefined || said === '') {
    if (userProperty(packet, 'json-len') !== undefined || isOip2(body)) return contentTypes.oip
    if (packet.properties?.payloadFormatIndicator === true || body[0] === 0x7b) return contentTypes.json
    return imageType(body) ?? contentTypes.raw
  }
  const name = said.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (known.has(name)) return name as ContentType
  throw new Refusal('UNSUPPORTED_MEDIA', 'ERR_MQTT_CONTENT_TYPE', `content type '${said.slice(0, 80)}' is not read here`, {
    details: { expected: [...known], actual: said.slice(0, 80) },
  })
}

/** "OIP2", size of the JSON header, header, tensors (samples/oip2.ts). */
function prefixed(body: Buffer): EncodedRequest {
  const jsonLength = body.readUInt32LE(4)
  const rest = body.subarray(8)
  if (jsonLength > rest.length)
    throw new QuantdError('ERR_REQUEST_HEADER', `the JSON header has ${jsonLength} bytes, ${rest.length} follow`, {
      details: { expected: jsonLength, actual: rest.length },
    })
  return { contentType: contentTypes.oip, jsonLength, body: rest }
}
