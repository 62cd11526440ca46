import type { IPublishPacket } from 'mqtt'
import { QuantdError } from '../../errors.js'
import { Envelope, isOip2 } from '../../samples/oip2.js'
import { Refusal } from '../wire-errors.js'
import { topLevelFields } from './top-level-fields.js'

/**
 * How a request came, and so how its answer looks: '5' with MQTT 5 properties; without them 'json' (the envelope's fields in the body), 'oip2' (in the header behind
 * the prefix), 'image' (none; answered on `result/{model}`).
 */
export type ReplyForm = '5' | 'json' | 'oip2' | 'image'

/** Where the answer to a message goes, and until when somebody waits for it. */
export interface Origin {
  readonly form: ReplyForm
  readonly replyTopic: string | undefined
  /** Empty when there is none. */
  readonly correlation: Uint8Array
  readonly qos: 0 | 1
  /** User property or field `id`, else the correlation as text: what feedback names. */
  readonly id: string | undefined
  /** Milliseconds left at arrival: the smaller of Message Expiry and time limit. */
  readonly expiresInMs: number | undefined
  /** Message Expiry alone, seconds. */
  readonly messageExpiryS: number | undefined
  readonly version: string | undefined
  readonly priority: 0 | 1 | 2 | 3
}

/** Longest correlation (mqtt-contract.md 4b). */
export const correlationLimit = 64

const envelopeNames = Object.keys(Envelope.shape)

/** One user property: its first value when a client gave several. */
export function userProperty(packet: IPublishPacket, name: string): string | undefined {
  const found = packet.properties?.userProperties?.[name]
  return Array.isArray(found) ? found[0] : found
}

export function payloadOf(packet: IPublishPacket): Buffer {
  return typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload
}

/** Reads no more than the answer needs: a request that is wrong in itself is still answered. Never throws; `problem` is what to answer. */
export function readOrigin(packet: IPublishPacket): { readonly origin: Origin; readonly problem?: QuantdError } {
  const { responseTopic, correlationData, contentType } = packet.properties ?? {}
  const hasProperties = responseTopic !== undefined || correlationData !== undefined || contentType !== undefined
  return hasProperties ? fromProperties(packet) : fromBody(packet)
}

function fromProperties(packet: IPublishPacket): { origin: Origin; problem?: QuantdError } {
  const { responseTopic, correlationData, messageExpiryInterval } = packet.properties ?? {}
  const correlation = correlationData ?? new Uint8Array(0)
  const problems: string[] = []
  const timeoutMs = number(packet, 'timeout-ms', { limit: 86_400_000, problems })
  const priority = number(packet, 'prio', { limit: 3, problems })
  const expiryMs = messageExpiryInterval === undefined ? undefined : messageExpiryInterval * 1000
  const origin: Origin = {
    form: '5',
    replyTopic: responseTopic,
    correlation,
    qos: packet.qos === 0 ? 0 : 1,
    id: userProperty(packet, 'id') ?? correlationText(correlation),
    expiresInMs: smaller(expiryMs, timeoutMs),
    messageExpiryS: messageExpiryInterval,
    version: userProperty(packet, 'version'),
    priority: ([0, 1, 2, 3] as const).find(value => value === priority) ?? 1,
  }
  if (priority !== undefined && !Number.isInteger(priority)) problems.push("'prio' is not 0, 1, 2 or 3")
  return problems.length === 0 ? { origin } : { origin, problem: new Refusal('INVALID_ARGUMENT', 'ERR_MQTT_PROPERTY', problems.join('; ')) }
}

function fromBody(packet: IPublishPacket): { origin: Origin; problem?: QuantdError } {
  const body = payloadOf(packet)
  const base = { replyTopic: undefined, correlation: new Uint8Array(0), qos: packet.qos === 0 ? 0 : 1, id: undefined } as const
  const rest = { expiresInMs: undefined, messageExpiryS: undefined, version: undefined, priority: 1 } as const
  const form = isOip2(body) ? 'oip2' : isImage(body) ? 'image' : 'json'
  if (form === 'image') return { origin: { ...base, ...rest, form } }
  const header = form === 'oip2' ? body.subarray(8, 8 + body.readUInt32LE(4)) : body
  const fields = topLevelFields(header, envelopeNames)
  if (fields === undefined)
    return { origin: { ...base, ...rest, form }, problem: new QuantdError('ERR_REQUEST_JSON', 'the request is no JSON object') }
  const parsed = Envelope.safeParse(Object.fromEntries(fields))
  const topic = fields.get('response_topic')
  const replyTopic = typeof topic === 'string' ? topic : undefined
  const problem = parsed.success
    ? undefined
    : new QuantdError('ERR_REQUEST_JSON', `envelope: ${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`)
  const envelope = parsed.data ?? {}
  return {
    origin: {
      ...base,
      form,
      replyTopic,
      correlation: Buffer.from(envelope.correlation ?? envelope.id ?? ''),
      id: envelope.id ?? envelope.correlation,
      expiresInMs: envelope.timeout_ms,
      messageExpiryS: undefined,
      version: envelope.version,
      priority: envelope.priority ?? 1,
    },
    ...(problem === undefined ? {} : { problem }),
  }
}

function isImage(body: Uint8Array): boolean {
  return imageType(body) !== undefined
}

/** By magic bytes: JPEG FF D8 FF, PNG 89 'PNG'. */
export function imageType(body: Uint8Array): 'image/jpeg' | 'image/png' | undefined {
  if (body[0] === 0xff && body[1] === 0xd8 && body[2] === 0xff) return 'image/jpeg'
  if (body[0] === 0x89 && body[1] === 0x50 && body[2] === 0x4e && body[3] === 0x47) return 'image/png'
  return undefined
}

/** Correlation data as people write it: 16 bytes are a UUID, printable text is itself, the rest is hex. Undefined when empty. */
export function correlationText(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return undefined
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const text = buffer.toString()
  if (/^[\x21-\x7e]+$/.test(text)) return text
  const hex = buffer.toString('hex')
  return bytes.length === 16 ? hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-') : hex
}

function number(
  packet: IPublishPacket,
  name: string,
  { limit, problems }: { readonly limit: number; readonly problems: string[] },
): number | undefined {
  const text = userProperty(packet, name)
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() !== '' && value >= 0 && value <= limit) return value
  problems.push(`user property '${name}' is '${text.slice(0, 40)}', a number from 0 to ${limit} is expected`)
  return undefined
}

function smaller(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b)
}
