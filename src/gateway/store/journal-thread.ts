import { Worker } from 'node:worker_threads'
import { QuantdError } from '../../errors.js'
import { logger } from '../../log.js'
import { type Clock, systemClock } from '../../time.js'
import { BodyRing } from './body-ring.js'
import type {
  Accepted,
  AcceptOptions,
  AnswerOptions,
  Commit,
  InboxRecord,
  Journal,
  JournalFigures,
  OutboxRecord,
  Recovered,
  Reply,
} from './journal.js'
import { JournalKeys } from './journal-keys.js'
import type { JournalOperation, JournalReport, JournalResult, RememberedKey } from './journal-protocol.js'

export interface OpenJournal {
  /** File of the journal, such as `<state>/journal.db`. */
  readonly path: string
  /** Ceiling of the file, beyond which the disk counts as full. */
  readonly maxBytes?: number
  /** Disk space given up when the disk is full, so that deletes still commit. */
  readonly reserveBytes?: number
  /** Bytes of replies remembered for duplicates. */
  readonly rememberBytes?: number
  readonly clock?: Clock
}

/** How long after its expiry, or after its answer when it has none, a request's reply is remembered (mqtt-contract.md 4c.2). */
const rememberMs = 60_000
/** Marks that nobody waits for (delivered, forgotten) join the next commit, or make one of their own after this long. */
const lazyMs = 100
/** Rows deleted in one transaction at most, so that a commit of requests does not wait for a sweep. */
const forgetAtOnce = 64

/** Bodies on their way to the thread; beyond it they are copied for each operation. */
const ringBytes = 8 * 2 ** 20

const log = logger('gateway/store')

/** A request that is not written yet. */
interface Held {
  readonly operation: JournalOperation
  readonly body: Uint8Array
  readonly resolve: (commit: Commit) => void
  readonly timer: NodeJS.Timeout
}

interface Waiting {
  readonly resolve: (result: JournalResult) => void
  /** Its body lies in the ring. */
  readonly inRing: boolean
}

/** The daemon's side of the writer thread. */
export class JournalThread implements Journal {
  readonly #worker: Worker
  readonly #clock: Clock
  readonly #keys: JournalKeys
  /** One per operation handed over and not reported yet, oldest first. */
  #waiting: Waiting[] = []
  readonly #held = new Map<number, Held>()
  readonly #ring = new BodyRing(ringBytes)
  /** Replies on their way that nobody remembers afterwards. */
  readonly #passing = new Set<number>()
  readonly #lazy: JournalOperation[] = []
  #timer: NodeJS.Timeout | undefined
  #nextEntry: number
  #durable = true
  #bytesWritten = 0
  #commits = 0
  #ended: string | undefined
  #closing: Promise<void> | undefined

  private constructor(worker: Worker, clock: Clock, keys: JournalKeys, nextEntry: number) {
    this.#worker = worker
    this.#clock = clock
    this.#keys = keys
    this.#nextEntry = nextEntry
    worker.on('message', (report: JournalReport) => this.#settle(report))
    worker.on('error', error => this.#end(error.message))
    worker.on('exit', () => this.#end('the thread ended'))
  }

  /** @throws ERR_STORE_OPEN, ERR_STORE_NEWER, ERR_STORE_FULL */
  static async open({
    path,
    maxBytes = 1024 * 2 ** 20,
    reserveBytes = 4 * 2 ** 20,
    rememberBytes = 256 * 2 ** 20,
    clock = systemClock,
  }: OpenJournal): Promise<JournalThread> {
    const worker = new Worker(new URL('./journal-writer.js', import.meta.url), { workerData: { path, maxBytes, reserveBytes } })
    const first = await new Promise<JournalReport>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    if (first.kind === 'refused') throw new QuantdError(first.code, first.message, { details: { path } })
    if (first.kind !== 'open') throw new QuantdError('ERR_INTERNAL', `the journal's thread began with '${first.kind}'`)
    const keys = new JournalKeys({ limitBytes: rememberBytes, now: clock.now() })
    const durable = Promise.resolve<Commit>({ durable: true })
    for (const key of first.keys)
      keys.add({
        key: JournalKeys.key(key.replyTopic, key.correlation),
        entry: key.entry,
        committed: durable,
        state: key.state,
        keepMs: clock.now() + remainingMs(key, clock.wall()),
        bytes: key.bytes,
        delivered: key.delivered,
      })
    return new JournalThread(worker, clock, keys, first.nextEntry)
  }

  accept(record: InboxRecord, { holdMs }: AcceptOptions = atOnce): Accepted {
    const key = JournalKeys.key(record.replyTopic, record.correlation)
    const found = this.#keys.find(key)
    if (found?.state === 'running') return { kind: 'running', entry: found.entry, committed: found.committed }
    if (found !== undefined) return { kind: 'answered', entry: found.entry, reply: this.#read(found.entry) }
    const entry = this.#nextEntry
    this.#nextEntry += 1
    const operation = { do: 'accept', entry, record: detached(record), acceptedWall: this.#clock.wall() } as const
    const committed =
      holdMs === 0 ? this.#post(operation, record.body).then(toCommit) : this.#hold({ entry, operation, body: record.body, holdMs })
    const keepMs = this.#clock.now() + (record.expiresInMs ?? 0) + rememberMs
    this.#keys.add({ key, entry, committed, state: 'running', keepMs, bytes: 0, delivered: false })
    return { kind: 'new', entry, committed }
  }

  async answer(entry: number, reply: Reply | undefined, { remember }: AnswerOptions): Promise<Commit> {
    const key = this.#keys.get(entry)
    const held = this.#unhold(entry)
    if (reply === undefined || key === undefined) {
      if (key !== undefined) this.#keys.remove(key)
      // Never written, and nothing to write.
      held?.resolve({ durable: true })
      if (held !== undefined) return { durable: true }
      return toCommit(await this.#post({ do: 'answer', entry, reply: undefined }))
    }
    const now = this.#clock.now()
    const wall = this.#clock.wall()
    const keepMs = Math.max(key.keepMs, now + rememberMs)
    if (remember === 'yes') this.#keys.answered(key, { bytes: reply.body.byteLength, keepMs })
    else {
      this.#keys.remove(key)
      this.#passing.add(entry)
    }
    const keepUntil = remember === 'yes' ? Math.ceil(wall + keepMs - now) : 0
    const stored = { ...detached(reply), keepUntil, answeredWall: wall }
    const commit = toCommit(await this.#post({ do: 'answer', entry, reply: stored }, reply.body))
    held?.resolve(commit)
    if (!commit.durable) {
      this.#keys.remove(key)
      this.#passing.delete(entry)
    }
    return commit
  }

  delivered(entry: number): void {
    const key = this.#keys.get(entry)
    this.#passing.delete(entry)
    if (key !== undefined) this.#keys.delivered(key)
    this.#later({ do: 'delivered', entry, keep: key?.state === 'answered' })
  }

  async recover(): Promise<Recovered> {
    const result = await this.#post({ do: 'recover' })
    if (!result.ok) throw new QuantdError('ERR_JOURNAL_THREAD', `the journal cannot be read: ${result.reason}`)
    const { requests = [], replies = [] } = result.left ?? {}
    const wall = this.#clock.wall()
    const passed = (since: number) => Math.max(0, wall - since)
    const left = <T extends { readonly expiresInMs?: number }>(record: T, since: number): T =>
      record.expiresInMs === undefined ? record : { ...record, expiresInMs: record.expiresInMs - passed(since) }
    return {
      requests: requests.map(record => left(record, record.acceptedWall)),
      replies: replies.map(record => left(record, record.answeredWall)),
      clockSane: [...requests.map(r => r.acceptedWall), ...replies.map(r => r.answeredWall)].every(since => since <= wall),
    }
  }

  async ping(): Promise<void> {
    await this.#post({ do: 'forget', entries: [] })
    if (this.#ended !== undefined) throw new QuantdError('ERR_JOURNAL_THREAD', `the journal's thread does not answer: ${this.#ended}`)
  }

  figures(): JournalFigures {
    return {
      inbox: this.#keys.running,
      outbox: this.#keys.undelivered + this.#passing.size,
      remembered: this.#keys.remembered,
      rememberedBytes: this.#keys.rememberedBytes,
      bytesWritten: this.#bytesWritten,
      commits: this.#commits,
      durable: this.#durable,
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    clearTimeout(this.#timer)
    for (const entry of [...this.#held.keys()]) this.#write(entry)
    if (this.#ended !== undefined) return
    const gone = new Promise<void>(resolve => this.#worker.once('exit', () => resolve()))
    await this.#post({ do: 'close' })
    await gone
  }

  #hold({
    entry,
    operation,
    body,
    holdMs,
  }: Omit<Held, 'resolve' | 'timer'> & { readonly entry: number; readonly holdMs: number }): Promise<Commit> {
    return new Promise(resolve => {
      const timer = setTimeout(() => this.#write(entry), holdMs)
      this.#held.set(entry, { operation, body, resolve, timer })
    })
  }

  #unhold(entry: number): Held | undefined {
    const held = this.#held.get(entry)
    this.#held.delete(entry)
    clearTimeout(held?.timer)
    return held
  }

  /** The answer takes longer: the request goes to the disk before it. */
  #write(entry: number): void {
    const held = this.#unhold(entry)
    if (held !== undefined) void this.#post(held.operation, held.body).then(result => held.resolve(toCommit(result)))
  }

  async #read(entry: number): Promise<OutboxRecord | undefined> {
    const result = await this.#post({ do: 'read', entry })
    return result.ok ? result.reply : undefined
  }

  /** `body` belongs to the operation, which is posted without it. */
  #post(operation: JournalOperation, body?: Uint8Array): Promise<JournalResult> {
    const reason = this.#ended
    if (reason !== undefined) return Promise.resolve({ ok: false, reason })
    const operations = this.#takeLazy()
    const shared = body === undefined ? undefined : this.#ring.put(body)
    const sent = body === undefined ? operation : withBody(operation, shared ?? new Uint8Array(body))
    operations.push(sent)
    const settled = new Promise<JournalResult>(resolve => this.#waiting.push({ resolve, inRing: shared !== undefined }))
    this.#worker.postMessage(operations)
    if (this.#timer === undefined && this.#keys.remembered > 0) this.#arm()
    return settled
  }

  #later(operation: JournalOperation): void {
    this.#lazy.push(operation)
    if (this.#timer === undefined) this.#arm()
  }

  /** What nobody waits for, to be handed over in front of what somebody does. */
  #takeLazy(): JournalOperation[] {
    const operations = this.#lazy.splice(0)
    for (let count = operations.length; count > 0; count -= 1) this.#waiting.push(nobody)
    return operations
  }

  #arm(): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#ended !== undefined || this.#closing !== undefined) return
      const due = this.#keys.expire(this.#clock.now())
      for (let at = 0; at < due.length; at += forgetAtOnce) this.#lazy.push({ do: 'forget', entries: due.slice(at, at + forgetAtOnce) })
      if (this.#lazy.length > 0) this.#worker.postMessage(this.#takeLazy())
      if (this.#keys.remembered > 0) this.#arm()
    }, lazyMs)
    this.#timer.unref()
  }

  #settle(report: JournalReport): void {
    if (report.kind !== 'done') return
    this.#commits += 1
    this.#bytesWritten = report.bytesWritten
    if (report.durable !== this.#durable) {
      this.#durable = report.durable
      if (report.durable) log.info('journal is durable again')
      else log.error({ reason: report.results.find(result => !result.ok)?.reason }, 'journal cannot be written')
    }
    const settled = this.#waiting.splice(0, report.results.length)
    settled.forEach(({ resolve, inRing }, index) => {
      if (inRing) this.#ring.release()
      resolve(report.results[index] ?? { ok: false, reason: 'no result' })
    })
  }

  #end(reason: string): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#durable = false
    clearTimeout(this.#timer)
    if (this.#closing === undefined) log.error({ code: 'ERR_JOURNAL_THREAD', reason }, 'journal thread ended')
    const waiting = this.#waiting
    this.#waiting = []
    for (const { resolve } of waiting) resolve({ ok: false, reason })
  }
}

const atOnce: AcceptOptions = { holdMs: 0 }
const nobody: Waiting = { resolve: () => undefined, inRing: false }
const noBody = new Uint8Array(0)

/** Without its body, and with a correlation that is no view of a whole packet: a message to a thread carries all of a buffer. */
function detached<T extends { readonly body: Uint8Array; readonly correlation: Uint8Array }>(record: T): T {
  return { ...record, body: noBody, correlation: new Uint8Array(record.correlation) }
}

function withBody(operation: JournalOperation, body: Uint8Array): JournalOperation {
  if (operation.do === 'accept') return { ...operation, record: { ...operation.record, body } }
  if (operation.do === 'answer' && operation.reply !== undefined) return { ...operation, reply: { ...operation.reply, body } }
  return operation
}

function toCommit(result: JournalResult): Commit {
  return result.ok ? { durable: true } : { durable: false, reason: result.reason }
}

/** How much longer a key of an earlier run is remembered. A clock that ran backwards says nothing: the time of a reply without expiry. */
function remainingMs({ keepUntil, answeredWall }: RememberedKey, wall: number): number {
  return wall < answeredWall ? rememberMs : Math.max(0, keepUntil - wall)
}
