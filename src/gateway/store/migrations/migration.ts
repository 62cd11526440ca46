import type { Database } from 'better-sqlite3'

/** One step forward of a database: `number` follows the one before it without a gap, and is the file's `user_version` afterwards. */
export interface Migration {
  readonly number: number
  readonly what: string
  /** Runs inside the transaction that also sets the version. */
  up(database: Database): void
}

export function defineMigration(migration: Migration): Migration {
  return Object.freeze(migration)
}
