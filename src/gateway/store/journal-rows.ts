import type { ContentType } from '../../samples/request.js'
import type { InboxRecord, OutboxRecord } from './journal.js'
import type { JournalOperation, StoredReply } from './journal-protocol.js'

interface RequestRow {
  readonly entry: number
  readonly accepted_wall: number
  readonly expires_in_ms: number | null
  readonly reply_topic: string
  readonly correlation: Uint8Array
  readonly form: string
  readonly model: string
  readonly version: string | null
  readonly caller: string
  readonly id: string | null
  readonly priority: number
  readonly content_type: string
  readonly json_length: number | null
  readonly body: Uint8Array
}

interface ReplyRow {
  readonly entry: number
  readonly answered_wall: number
  readonly keep_until: number
  readonly expires_in_ms: number | null
  readonly reply_topic: string
  readonly correlation: Uint8Array
  readonly form: string
  readonly content_type: string
  readonly properties: string
  readonly body: Uint8Array
}

export function requestRow({ entry, record, acceptedWall }: JournalOperation & { do: 'accept' }): RequestRow {
  return {
    entry,
    accepted_wall: acceptedWall,
    expires_in_ms: record.expiresInMs ?? null,
    reply_topic: record.replyTopic,
    correlation: record.correlation,
    form: record.form,
    model: record.model,
    version: record.version ?? null,
    caller: record.caller,
    id: record.id ?? null,
    priority: record.priority,
    content_type: record.contentType,
    json_length: record.jsonLength ?? null,
    body: record.body,
  }
}

/** `row` comes from the table `request` of our own STRICT schema, written by `requestRow`. */
export function readRequest(row: unknown): InboxRecord & { readonly entry: number; readonly acceptedWall: number } {
  const found = row as RequestRow
  return {
    entry: found.entry,
    acceptedWall: found.accepted_wall,
    ...(found.expires_in_ms === null ? {} : { expiresInMs: found.expires_in_ms }),
    replyTopic: found.reply_topic,
    correlation: found.correlation,
    form: found.form,
    model: found.model,
    ...(found.version === null ? {} : { version: found.version }),
    caller: found.caller,
    ...(found.id === null ? {} : { id: found.id }),
    priority: found.priority as InboxRecord['priority'],
    contentType: found.content_type as ContentType,
    ...(found.json_length === null ? {} : { jsonLength: found.json_length }),
    body: found.body,
  }
}

export function replyRow(entry: number, reply: StoredReply): ReplyRow {
  return {
    entry,
    answered_wall: reply.answeredWall,
    keep_until: reply.keepUntil,
    expires_in_ms: reply.expiresInMs ?? null,
    reply_topic: reply.replyTopic,
    correlation: reply.correlation,
    form: reply.form,
    content_type: reply.contentType,
    properties: JSON.stringify(reply.properties),
    body: reply.body,
  }
}

/** `row` comes from the table `reply` of our own STRICT schema, written by `replyRow`. */
export function readReply(row: unknown): OutboxRecord & { readonly answeredWall: number } {
  const found = row as ReplyRow
  return {
    entry: found.entry,
    answeredWall: found.answered_wall,
    ...(found.expires_in_ms === null ? {} : { expiresInMs: found.expires_in_ms }),
    replyTopic: found.reply_topic,
    correlation: found.correlation,
    form: found.form,
    contentType: found.content_type,
    properties: JSON.parse(found.properties) as Record<string, string>,
    body: found.body,
  }
}
