import { contentTypes, type EncodedResponse } from '../../samples/request.js'
import type { InferOutcome } from '../serving/serving.js'
import type { Reply } from '../store/journal.js'
import type { WireError } from '../wire-errors.js'
import type { Origin, ReplyForm } from './origin.js'
import type { Outgoing } from './send-window.js'

/** What a reply is made for: the parts of an `Origin` that outlive a restart in the journal. */
export type ReplyTarget = Pick<Origin, 'correlation' | 'expiresInMs'> & { readonly replyTopic: string; readonly form: string }

/** An answer with its timings. Without MQTT 5 properties a binary body carries the prefix of a request: "OIP2" and the size of its JSON. */
export function answerReply(target: ReplyTarget, answer: InferOutcome & { kind: 'answer' }): Reply {
  const { times, version, device, jsonLength } = answer
  return {
    ...targetFields(target),
    body: bodyOf(target.form, answer),
    contentType: answer.contentType,
    properties: {
      status: '200',
      'model-version': version,
      device,
      'queue-us': String(times.queueUs),
      'decode-us': String(times.decodeUs),
      'infer-us': String(times.inferUs),
      'encode-us': String(times.encodeUs),
      ...(jsonLength === undefined ? {} : { 'json-len': String(jsonLength) }),
    },
  }
}

export function errorReply(target: ReplyTarget, error: WireError): Reply {
  return jsonReply(target, error, error.status)
}

/** The answer of a command. Without MQTT 5 properties status and correlation stand in the body. */
export function jsonReply(target: ReplyTarget, body: object, status: number): Reply {
  const said = target.form === '5' ? body : { ...body, status, correlation: Buffer.from(target.correlation).toString() }
  return {
    ...targetFields(target),
    body: Buffer.from(JSON.stringify(said)),
    contentType: contentTypes.json,
    properties: { status: String(status) },
  }
}

export interface PublishReply {
  readonly qos: 0 | 1
  /** User properties of this sending alone, such as `dup`. */
  readonly more?: Readonly<Record<string, string>>
}

export function publishOf(reply: Reply, { qos, more = {} }: PublishReply): Outgoing {
  const { replyTopic, correlation, body, contentType, properties, expiresInMs } = reply
  return {
    topic: replyTopic,
    payload: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    qos,
    properties: {
      contentType,
      ...(correlation.length === 0 ? {} : { correlationData: Buffer.from(correlation) }),
      ...(expiresInMs === undefined ? {} : { messageExpiryInterval: Math.max(1, Math.ceil(expiresInMs / 1000)) }),
      ...(contentType === contentTypes.json ? { payloadFormatIndicator: true } : {}),
      userProperties: { ...properties, ...more },
    },
  }
}

function targetFields({ replyTopic, correlation, form, expiresInMs }: ReplyTarget) {
  return { replyTopic, correlation, form, ...(expiresInMs === undefined ? {} : { expiresInMs }) }
}

function bodyOf(form: ReplyForm | string, { body, jsonLength }: EncodedResponse): Uint8Array {
  if (form === '5' || jsonLength === undefined) return body
  const prefix = Buffer.alloc(8)
  prefix.write('OIP2', 'latin1')
  prefix.writeUInt32LE(jsonLength, 4)
  return Buffer.concat([prefix, body])
}
