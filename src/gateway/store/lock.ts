import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { QuantdError } from '../../errors.js'
import { Sqlite } from './sqlite.js'

/**
 * The claim of one daemon on a state directory: an exclusive SQLite lock on `lock.db`, which the kernel drops when the process dies, however it dies.
 * `lock.pid` beside it only names the holder in the message.
 */
export class StateLock {
  /** A lock that nobody refers to any more must not end with the garbage. */
  static readonly #held = new Set<StateLock>()
  readonly #database: Database

  private constructor(database: Database) {
    this.#database = database
  }

  /** @throws ERR_STORE_LOCKED, ERR_STORE_OPEN */
  static acquire(folder: string): StateLock {
    const note = join(folder, 'lock.pid')
    let database: Database | undefined
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      database = new Sqlite(join(folder, 'lock.db'), { timeout: 0 })
      database.pragma('journal_mode = MEMORY')
      database.exec('BEGIN EXCLUSIVE')
      writeFileSync(note, `${process.pid}\n`, { mode: 0o600 })
      const lock = new StateLock(database)
      StateLock.#held.add(lock)
      return lock
    } catch (error) {
      database?.close()
      if (error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')) {
        const holder = holderOf(note)
        throw new QuantdError('ERR_STORE_LOCKED', `state directory '${folder}' is in use by another daemon${holder}`, {
          details: { folder },
          cause: error,
        })
      }
      throw new QuantdError('ERR_STORE_OPEN', `state directory '${folder}' cannot be written: ${(error as Error).message}`, {
        details: { folder },
        cause: error,
      })
    }
  }

  /** Safe to call twice. */
  release(): void {
    StateLock.#held.delete(this)
    if (this.#database.open) this.#database.close()
  }
}

function holderOf(note: string): string {
  try {
    return ` (process ${readFileSync(note, 'utf8').trim()})`
  } catch {
    // The note is a courtesy: without it the message just does not name the process.
    return ''
  }
}
