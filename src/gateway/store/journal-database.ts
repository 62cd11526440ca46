import { closeSync, fdatasyncSync, fstatSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { Database, Statement } from 'better-sqlite3'
import { assertNever, errorMessage } from '../../errors.js'
import { crashPoint } from './crash-point.js'
import { openDatabase } from './database.js'
import { DiskReserve } from './disk-reserve.js'
import { journalMigrations } from './journal-migrations.js'
import type { JournalOperation, JournalResult, Leftovers, RememberedKey } from './journal-protocol.js'
import { readReply, readRequest, replyRow, requestRow } from './journal-rows.js'

export interface JournalDatabaseOptions {
  readonly path: string
  /** Ceiling of the file; beyond it the disk counts as full. */
  readonly maxBytes: number
  /** Space given up when the disk is full. */
  readonly reserveBytes: number
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Time between two tries to write again after the disk refused. */
const retryAfterMs = 1000
/** Frames of the log that are copied back at once: 4 MiB. Measured: 16 and 64 MiB write 3 % less and fill more memory and disk. */
const checkpointPages = 1024
/** Size that the log has from the start: a file that grows makes each sync wait for the file system's journal, one that is written over does not. */
const logBytes = 5 * 2 ** 20

/**
 * The journal's file, and the only code that touches it; synchronous, for the writer thread. One `commit` is one transaction, with the log on disk when it
 * returns: what `synchronous = FULL` does, except that SQLite as better-sqlite3 builds it has no fdatasync and its fsync waits for the file system's own journal
 * besides, for a time stamp (on a busy ext4 the 99th percentile is 2 ms against 7). So SQLite syncs its checkpoints (NORMAL), and this the log. A 150 KB
 * request costs 210 KB of writes (body, answer of 12 KB, pages of 4 KiB around them, checkpoints): freed pages are used again before they reach the file.
 */
export class JournalDatabase {
  readonly #database: Database
  readonly #reserve: DiskReserve
  readonly #now: () => number
  readonly #statements: ReturnType<typeof prepare>
  /** The write-ahead log: the same file until the last connection is closed. */
  readonly #logFile: number
  #refusedAt: number | undefined
  #reason = ''

  /** @throws ERR_STORE_OPEN, ERR_STORE_NEWER, ERR_STORE_FULL */
  constructor({ path, maxBytes, reserveBytes, now }: JournalDatabaseOptions) {
    this.#database = openDatabase({ path, migrations: journalMigrations, synchronous: 'NORMAL' })
    this.#database.pragma('locking_mode = EXCLUSIVE')
    this.#database.pragma(`wal_autocheckpoint = ${checkpointPages}`)
    this.#database.pragma('cache_size = -16384')
    this.#database.pragma('secure_delete = OFF')
    this.#database.pragma(`max_page_count = ${Math.ceil(maxBytes / (this.#database.pragma('page_size', { simple: true }) as number))}`)
    this.#reserve = new DiskReserve(`${path}.reserve`, reserveBytes)
    this.#now = now
    this.#statements = prepare(this.#database)
    this.#logFile = fillLog(`${path}-wal`)
    if (!this.#reserve.take()) this.#refuse('no room for the reserve of the journal')
  }

  get durable(): boolean {
    return this.#refusedAt === undefined
  }

  /** Bytes that this thread had the kernel send to storage, as it counts them; 0 where it does not. */
  static bytesWritten(): number {
    try {
      return Number(/^write_bytes: (\d+)/m.exec(readFileSync('/proc/thread-self/io', 'utf8'))?.[1] ?? 0)
    } catch {
      // Hardened units hide it: a figure less, nothing else.
      return 0
    }
  }

  /** Results in the order of `operations`, when they are on disk. Never throws for what the disk does. */
  commit(operations: readonly JournalOperation[]): JournalResult[] {
    if (this.#refusedAt !== undefined && this.#now() - this.#refusedAt >= retryAfterMs) this.#tryAgain()
    if (this.#refusedAt === undefined) {
      try {
        return this.#transaction(operations, operation => this.#apply(operation))
      } catch (error) {
        this.#refuse(errorMessage(error))
      }
    }
    return this.#relieve(operations)
  }

  close(): void {
    this.#database.close()
    closeSync(this.#logFile)
  }

  keys(): { readonly keys: readonly RememberedKey[]; readonly nextEntry: number } {
    const keys = this.#statements.keys.all() as {
      entry: number
      reply_topic: string
      correlation: Buffer
      answered: number
      keep_until: number
      answered_wall: number
      bytes: number
      delivered: number
    }[]
    return {
      keys: keys.map(row => ({
        entry: row.entry,
        replyTopic: row.reply_topic,
        correlation: Uint8Array.from(row.correlation),
        state: row.answered === 1 ? 'answered' : 'running',
        keepUntil: row.keep_until,
        answeredWall: row.answered_wall,
        bytes: row.bytes,
        delivered: row.delivered === 1,
      })),
      nextEntry: (keys.at(-1)?.entry ?? 0) + 1,
    }
  }

  #transaction(operations: readonly JournalOperation[], apply: (operation: JournalOperation) => JournalResult): JournalResult[] {
    const { begin, commit, rollback } = this.#statements
    begin.run()
    try {
      const results = operations.map(apply)
      for (const { do: what } of operations) crashPoint(`journal.${what}-uncommitted`)
      commit.run()
      fdatasyncSync(this.#logFile)
      for (const { do: what } of operations) crashPoint(`journal.${what}-committed`)
      return results
    } catch (error) {
      if (this.#database.inTransaction) rollback.run()
      throw error
    }
  }

  #apply(operation: JournalOperation): JournalResult {
    const { putRequest, dropRequest, putReply, dropReply, putDelivered, dropDelivered, getReply } = this.#statements
    switch (operation.do) {
      case 'accept':
        putRequest.run(requestRow(operation))
        return done
      case 'answer':
        dropRequest.run(operation.entry)
        if (operation.reply !== undefined) putReply.run(replyRow(operation.entry, operation.reply))
        return done
      case 'delivered':
        // A reply that could not be stored left its request behind.
        dropRequest.run(operation.entry)
        if (operation.keep) putDelivered.run(operation.entry)
        else dropReply.run(operation.entry)
        return done
      case 'forget':
        for (const entry of operation.entries) {
          dropReply.run(entry)
          dropDelivered.run(entry)
        }
        return done
      case 'read': {
        const row = getReply.get(operation.entry)
        return { ok: true, reply: row === undefined ? undefined : readReply(row) }
      }
      case 'recover':
        return { ok: true, left: this.#leftovers() }
      case 'close':
        return done
      default:
        return assertNever(operation)
    }
  }

  /**
   * The disk refused: nothing new is stored, what frees space still is. A request whose answer cannot be stored keeps its row until the answer is delivered:
   * after a crash it runs again.
   */
  #relieve(operations: readonly JournalOperation[]): JournalResult[] {
    const refused: JournalResult = { ok: false, reason: this.#reason }
    const frees = (operation: JournalOperation) =>
      operation.do !== 'accept' && !(operation.do === 'answer' && operation.reply !== undefined)
    try {
      const rest = this.#transaction(operations.filter(frees), operation =>
        this.#apply(operation.do === 'delivered' ? { ...operation, keep: false } : operation),
      )
      return operations.map(operation => (frees(operation) ? (rest.shift() ?? refused) : refused))
    } catch (error) {
      return operations.map(() => ({ ok: false, reason: errorMessage(error) }))
    }
  }

  #refuse(reason: string): void {
    this.#refusedAt = this.#now()
    this.#reason = reason
    this.#reserve.give()
  }

  #tryAgain(): void {
    if (this.#reserve.take()) this.#refusedAt = undefined
    else this.#refusedAt = this.#now()
  }

  #leftovers(): Leftovers {
    return {
      requests: this.#statements.allRequests.all().map(readRequest),
      replies: this.#statements.undelivered.all().map(readReply),
    }
  }
}

const done: JournalResult = Object.freeze({ ok: true })

/**
 * Opens the write-ahead log and fills it with zeros behind what is in it; SQLite knows the end of its frames by their checksums, and goes on at the beginning
 * once it has copied them back. A disk without room for it has a log that grows.
 */
function fillLog(path: string): number {
  const file = openSync(path, 'r+')
  const zeros = Buffer.alloc(65_536)
  try {
    for (let at = fstatSync(file).size; at < logBytes; at += zeros.length)
      writeSync(file, zeros, 0, Math.min(zeros.length, logBytes - at), at)
    fsyncSync(file)
  } catch {
    // Full: the first commit says so.
  }
  return file
}

function prepare(database: Database) {
  const sql = (text: string): Statement<unknown[], unknown> => database.prepare(text)
  return {
    begin: sql('BEGIN IMMEDIATE'),
    commit: sql('COMMIT'),
    rollback: sql('ROLLBACK'),
    putRequest: sql(`INSERT INTO request VALUES
      (@entry, @accepted_wall, @expires_in_ms, @reply_topic, @correlation, @form, @model, @version, @caller, @id, @priority, @content_type, @json_length, @body)`),
    dropRequest: sql('DELETE FROM request WHERE entry = ?'),
    allRequests: sql('SELECT * FROM request ORDER BY entry'),
    putReply: sql(`INSERT INTO reply VALUES
      (@entry, @answered_wall, @keep_until, @expires_in_ms, @reply_topic, @correlation, @form, @content_type, @properties, @body)`),
    dropReply: sql('DELETE FROM reply WHERE entry = ?'),
    getReply: sql('SELECT * FROM reply WHERE entry = ?'),
    undelivered: sql('SELECT * FROM reply WHERE entry NOT IN (SELECT entry FROM delivered) ORDER BY entry'),
    putDelivered: sql('INSERT OR IGNORE INTO delivered VALUES (?)'),
    dropDelivered: sql('DELETE FROM delivered WHERE entry = ?'),
    keys: sql(`
      SELECT entry, reply_topic, correlation, 0 AS answered, 0 AS keep_until, 0 AS answered_wall, 0 AS bytes, 0 AS delivered FROM request
      UNION ALL
      SELECT r.entry, reply_topic, correlation, 1, keep_until, answered_wall, length(body), d.entry IS NOT NULL FROM reply r LEFT JOIN delivered d ON d.entry = r.entry
      ORDER BY 1`),
  }
}
