import type { ErrorCode } from '../../errors.js'
import type { InboxRecord, OutboxRecord, Reply } from './journal.js'

/** What the daemon hands to the writer thread, in order, some in one message. Bodies are views of shared memory. */
export type JournalOperation =
  | { readonly do: 'accept'; readonly entry: number; readonly record: InboxRecord; readonly acceptedWall: number }
  | { readonly do: 'answer'; readonly entry: number; readonly reply: StoredReply | undefined }
  /** `keep`: it stays for duplicates. */
  | { readonly do: 'delivered'; readonly entry: number; readonly keep: boolean }
  | { readonly do: 'forget'; readonly entries: readonly number[] }
  | { readonly do: 'read'; readonly entry: number }
  | { readonly do: 'recover' }
  | { readonly do: 'close' }

export interface StoredReply extends Reply {
  /** Wall clock until which duplicates get it; 0 = until the broker has it. */
  readonly keepUntil: number
  readonly answeredWall: number
}

/** What the writer thread tells: one message per commit. `results` has one item per operation, in their order. */
export type JournalReport =
  | { readonly kind: 'open'; readonly keys: readonly RememberedKey[]; readonly nextEntry: number }
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: 'done'; readonly results: readonly JournalResult[]; readonly durable: boolean; readonly bytesWritten: number }

export type JournalResult =
  | { readonly ok: true; readonly reply?: OutboxRecord | undefined; readonly left?: Leftovers }
  | { readonly ok: false; readonly reason: string }

/** One key of the file when it was opened, oldest first. */
export interface RememberedKey {
  readonly entry: number
  readonly replyTopic: string
  readonly correlation: Uint8Array
  readonly state: 'running' | 'answered'
  readonly keepUntil: number
  readonly answeredWall: number
  readonly bytes: number
  readonly delivered: boolean
}

export interface Leftovers {
  readonly requests: readonly (InboxRecord & { readonly entry: number; readonly acceptedWall: number })[]
  readonly replies: readonly (OutboxRecord & { readonly answeredWall: number })[]
}
