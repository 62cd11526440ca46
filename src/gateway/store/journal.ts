import type { EncodedRequest } from '../../samples/request.js'

/** A QoS 1 request as the inbox keeps it. Reply topic and correlation data are its key: what makes two deliveries the same request. */
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
  /** How the transport shapes the reply: the journal carries it, and knows nothing of it. */
  readonly form: string
}

/** A reply as the transport sends it. Opaque bytes and properties for the journal. */
export interface Reply {
  readonly replyTopic: string
  readonly correlation: Uint8Array
  readonly body: Uint8Array
  readonly properties: Readonly<Record<string, string>>
  readonly contentType: string
  readonly expiresInMs?: number
  readonly form: string
}

/** A reply that the broker has not acknowledged yet, or that answers a duplicate. */
export interface OutboxRecord extends Reply {
  readonly entry: number
}

/** On disk with synchronous FULL, or the disk's reason: serve with `durable=0`, or refuse in strict mode. */
export type Commit = { readonly durable: true } | { readonly durable: false; readonly reason: string }

/**
 * What a delivery is, known at once since the keys are in memory; what is on disk comes later. A caller may start to work before `committed`: inference
 * has no side effects; what it must not do before is to acknowledge.
 */
export type Accepted =
  | { readonly kind: 'new'; readonly entry: number; readonly committed: Promise<Commit> }
  /** The same request is being worked on: its answer serves both. */
  | { readonly kind: 'running'; readonly entry: number; readonly committed: Promise<Commit> }
  /** Undefined: the reply could not be read back, and nothing is known of the request any more. */
  | { readonly kind: 'answered'; readonly entry: number; readonly reply: Promise<OutboxRecord | undefined> }

export interface AcceptOptions {
  /**
   * The request is written only when its answer has not come after so long; an answer before that is written alone, with one commit. Nothing is acknowledged
   * meanwhile, so the broker still has the request. 0: at once.
   */
  readonly holdMs: number
}

export interface AnswerOptions {
  /**
   * 'yes': duplicates get this reply until expiry + 60 s. 'no': a refusal that asks for a retry; the next delivery of the key is a new request.
   */
  readonly remember: 'yes' | 'no'
}

export interface JournalFigures {
  /** Requests without an answer. */
  readonly inbox: number
  /** Replies that the broker has not acknowledged. */
  readonly outbox: number
  /** Replies kept for duplicates, and their bytes. */
  readonly remembered: number
  readonly rememberedBytes: number
  /** What the writer thread had the kernel send to storage since it was opened. */
  readonly bytesWritten: number
  readonly commits: number
  readonly durable: boolean
}

export interface Recovered {
  /** Requests without an answer, `expiresInMs` less what passed on the wall clock; not positive: expired. */
  readonly requests: readonly (InboxRecord & { readonly entry: number })[]
  /** Replies without an acknowledgement. */
  readonly replies: readonly OutboxRecord[]
  /** False when the wall clock ran backwards meanwhile: nothing was subtracted. */
  readonly clockSane: boolean
}

/**
 * Inbox, outbox and dedup of QoS 1 (mqtt-contract.md 4c): one SQLite file, all of it in one writer thread; the event loop never waits for a commit.
 * Calls that queue up during a commit share the next one, and none waits for others. Durable means: on disk, synchronous FULL.
 */
export interface Journal {
  accept(record: InboxRecord, options?: AcceptOptions): Accepted
  /** Inbox done and outbox filled in one transaction. `reply` undefined: expired, nothing to send, and the key is free again. */
  answer(entry: number, reply: Reply | undefined, options: AnswerOptions): Promise<Commit>
  /** The broker acknowledged the reply. Not awaited by anyone: after a crash before it is on disk the reply is sent again. */
  delivered(entry: number): void
  /** What a crash or a stop left. Once, before the first `accept`. */
  recover(): Promise<Recovered>
  figures(): JournalFigures
  /** Resolves when the writer thread has worked off what lies before: proof that it goes on, on a full disk too. @throws ERR_JOURNAL_THREAD */
  ping(): Promise<void>
  /** Commits what was handed over, then ends the thread. Safe to call twice. */
  close(): Promise<void>
}
