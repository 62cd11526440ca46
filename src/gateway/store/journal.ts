import type { EncodedRequest } from '../../samples/request.js'

/** A QoS 1 request as the inbox keeps it. `key` = reply topic and correlation data: what makes two deliveries the same request. */
export interface InboxRecord extends EncodedRequest {
  readonly replyTopic: string
  readonly correlation: Uint8Array
  readonly model: string
  readonly version?: string
  readonly caller: string
  readonly id?: string
  readonly priority: 0 | 1 | 2 | 3
  /** Milliseconds left at arrival; undefined = no limit. */
  readonly expiresInMs?: number
}

/** A reply that the broker has not acknowledged yet, or that answers a duplicate. Opaque bytes and properties for the transport. */
export interface OutboxRecord {
  readonly entry: number
  readonly replyTopic: string
  readonly correlation: Uint8Array
  readonly body: Uint8Array
  readonly properties: Readonly<Record<string, string>>
  readonly contentType: string
  readonly expiresInMs?: number
}

export type Accepted =
  | { readonly kind: 'new'; readonly entry: number }
  /** The same request is being worked on: its answer serves both. */
  | { readonly kind: 'running'; readonly entry: number }
  | { readonly kind: 'answered'; readonly reply: OutboxRecord }
  /** The disk refused: serve with `durable=0`, or refuse in strict mode. */
  | { readonly kind: 'undurable'; readonly reason: string }

/**
 * Inbox, outbox and dedup of QoS 1 (mqtt-contract.md 4c): one SQLite file, all of it in one writer thread; the event loop never waits for a commit.
 * Calls that queue up during a commit share the next one; there is no timer. Resolving means: on disk, synchronous FULL.
 */
export interface Journal {
  accept(record: InboxRecord): Promise<Accepted>
  /** Inbox done and outbox filled in one transaction. `reply` undefined: expired, nothing to send. */
  answer(entry: number, reply: Omit<OutboxRecord, 'entry'> | undefined): Promise<void>
  /** The broker acknowledged the reply; kept for duplicates until expiry + 60 s. Not awaited by anyone. */
  delivered(entry: number): void
  /** After a restart: requests without an answer, and answers without an acknowledgement. */
  recover(): Promise<{
    readonly requests: readonly (InboxRecord & { readonly entry: number })[]
    readonly replies: readonly OutboxRecord[]
  }>
  figures(): { readonly inbox: number; readonly outbox: number; readonly bytesWritten: number; readonly durable: boolean }
  close(): Promise<void>
}
