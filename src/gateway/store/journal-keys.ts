import type { Commit } from './journal.js'

export interface JournalKey {
  readonly key: string
  readonly entry: number
  readonly committed: Promise<Commit>
  state: 'running' | 'answered'
  /** Monotonic milliseconds: earliest end of being remembered. */
  keepMs: number
  bytes: number
  delivered: boolean
}

/** Grain of forgetting, milliseconds. */
const bucketMs = 100

/**
 * The keys of all requests that are running or whose replies are remembered, in memory: what a delivery is, is known without asking the disk. The bytes of
 * remembered replies are bounded; beyond that the oldest delivered one is forgotten first.
 */
export class JournalKeys {
  readonly #byKey = new Map<string, JournalKey>()
  readonly #byEntry = new Map<number, JournalKey>()
  /** In the order of their answers. */
  readonly #remembered = new Map<number, JournalKey>()
  readonly #buckets = new Map<number, JournalKey[]>()
  readonly #limitBytes: number
  #bucketDone: number
  #bytes = 0
  #undelivered = 0

  constructor({ limitBytes, now }: { readonly limitBytes: number; readonly now: number }) {
    this.#limitBytes = limitBytes
    this.#bucketDone = Math.floor(now / bucketMs) - 1
  }

  static key(replyTopic: string, correlation: Uint8Array): string {
    return `${replyTopic}\0${Buffer.from(correlation.buffer, correlation.byteOffset, correlation.byteLength).toString('latin1')}`
  }

  get running(): number {
    return this.#byEntry.size - this.#remembered.size
  }

  get remembered(): number {
    return this.#remembered.size
  }

  get rememberedBytes(): number {
    return this.#bytes
  }

  get undelivered(): number {
    return this.#undelivered
  }

  find(key: string): JournalKey | undefined {
    return this.#byKey.get(key)
  }

  get(entry: number): JournalKey | undefined {
    return this.#byEntry.get(entry)
  }

  add(key: JournalKey): void {
    this.#byKey.set(key.key, key)
    this.#byEntry.set(key.entry, key)
    if (key.state === 'answered') this.#remember(key)
  }

  answered(key: JournalKey, { bytes, keepMs }: { readonly bytes: number; readonly keepMs: number }): void {
    key.state = 'answered'
    key.bytes = bytes
    key.keepMs = keepMs
    this.#remember(key)
  }

  delivered(key: JournalKey): void {
    if (key.state === 'answered' && !key.delivered) this.#undelivered -= 1
    key.delivered = true
  }

  remove(key: JournalKey): void {
    if (!this.#byEntry.delete(key.entry)) return
    if (this.#byKey.get(key.key) === key) this.#byKey.delete(key.key)
    if (!this.#remembered.delete(key.entry)) return
    this.#bytes -= key.bytes
    if (!key.delivered) this.#undelivered -= 1
  }

  /** Entries whose time is over or whose bytes are too many; they are removed. Undelivered replies stay. */
  expire(now: number): number[] {
    const due: number[] = []
    const last = Math.floor(now / bucketMs) - 1
    for (; this.#bucketDone < last; this.#bucketDone += 1) {
      const bucket = this.#buckets.get(this.#bucketDone + 1)
      if (bucket === undefined) continue
      this.#buckets.delete(this.#bucketDone + 1)
      for (const key of bucket) {
        if (this.#byEntry.get(key.entry) !== key) continue
        if (key.delivered) due.push(this.#forget(key))
        else this.#schedule(key, now + 60_000)
      }
    }
    for (const key of this.#remembered.values()) {
      if (this.#bytes <= this.#limitBytes || !key.delivered) break
      due.push(this.#forget(key))
    }
    return due
  }

  #forget(key: JournalKey): number {
    this.remove(key)
    return key.entry
  }

  #remember(key: JournalKey): void {
    this.#remembered.set(key.entry, key)
    this.#bytes += key.bytes
    if (!key.delivered) this.#undelivered += 1
    this.#schedule(key, key.keepMs)
  }

  #schedule(key: JournalKey, atMs: number): void {
    const number = Math.max(Math.floor(atMs / bucketMs), this.#bucketDone + 1)
    const bucket = this.#buckets.get(number)
    if (bucket === undefined) this.#buckets.set(number, [key])
    else bucket.push(key)
  }
}
