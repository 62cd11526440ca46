import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { QuantdError } from '../../errors.js'
import { openDatabase } from './database.js'
import { isDiskFull } from './disk.js'
import { migrations } from './migrations/catalog.js'
import { Sqlite } from './sqlite.js'

/**
 * `state.db`: models, versions, jobs, schedule and counters. WAL with synchronous FULL: what a transaction returned is on the disk. Written a few times
 * a second at most, so the daemon calls it directly; what happens per request goes to the journal's thread instead.
 */
export class StateStore {
  readonly folder: string
  readonly database: Database

  private constructor(folder: string, database: Database) {
    this.folder = folder
    this.database = database
  }

  /** @throws ERR_STORE_NEWER, ERR_STORE_OPEN, ERR_STORE_FULL */
  static open(folder: string): StateStore {
    return new StateStore(folder, openDatabase({ path: join(folder, 'state.db'), migrations, synchronous: 'FULL' }))
  }

  /** Runs `change` as one transaction: all of it is on the disk afterwards, or nothing. @throws ERR_STORE_FULL, ERR_STORE_WRITE */
  transaction<T>(change: () => T): T {
    try {
      return this.database.transaction(change).immediate()
    } catch (error) {
      if (!(error instanceof Sqlite.SqliteError)) throw error
      const code = isDiskFull(error) ? 'ERR_STORE_FULL' : 'ERR_STORE_WRITE'
      throw new QuantdError(code, `state.db: ${error.message} (${error.code})`, { details: { sqlite: error.code }, cause: error })
    }
  }

  /** The next value of a counter that never goes back, from 1: `epoch` counts starts and connects (mqtt-contract.md 4a). */
  next(counter: string): number {
    const statement = this.database.prepare<[string], { value: string }>(
      `INSERT INTO meta (key, value) VALUES (?, '1')
       ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) RETURNING value`,
    )
    return Number(this.transaction(() => statement.get(counter))?.value)
  }

  /** A remembered text, or undefined. */
  remembered(key: string): string | undefined {
    return this.database.prepare<[string], { value: string }>('SELECT value FROM meta WHERE key = ?').get(key)?.value
  }

  remember(key: string, value: string): void {
    const statement = this.database.prepare(
      'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    )
    this.transaction(() => statement.run(key, value))
  }

  /** Safe to call twice. */
  close(): void {
    this.database.close()
  }
}
