import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Database } from 'better-sqlite3'
import { invariant, QuantdError } from '../../errors.js'
import { isDiskFull } from './disk.js'
import type { Migration } from './migrations/migration.js'
import { Sqlite } from './sqlite.js'

export interface OpenDatabase {
  readonly path: string
  readonly migrations: readonly Migration[]
  /** FULL: what a commit has returned survives a power cut. NORMAL: the last commits may be lost, never the file. */
  readonly synchronous: 'FULL' | 'NORMAL'
}

/**
 * Opens a SQLite file in WAL mode and brings it to the last migration. A file of an earlier release is copied beside itself (`state.db.v3`) before its first step;
 * one of a later release is refused untouched.
 * @throws ERR_STORE_NEWER, ERR_STORE_OPEN, ERR_STORE_FULL
 */
export function openDatabase({ path, migrations, synchronous }: OpenDatabase): Database {
  let database: Database | undefined
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    database = new Sqlite(path)
    const found = database.pragma('user_version', { simple: true }) as number
    if (found > migrations.length) throw newer(path, found, migrations.length)
    database.pragma('journal_mode = WAL')
    database.pragma(`synchronous = ${synchronous}`)
    database.pragma('foreign_keys = ON')
    migrate(database, migrations)
    return database
  } catch (error) {
    database?.close()
    if (error instanceof QuantdError) throw error
    throw new QuantdError(
      isDiskFull(error) ? 'ERR_STORE_FULL' : 'ERR_STORE_OPEN',
      `database '${path}' cannot be opened: ${(error as Error).message}`,
      { details: { path }, cause: error },
    )
  }
}

function migrate(database: Database, migrations: readonly Migration[]): void {
  const found = database.pragma('user_version', { simple: true }) as number
  if (found > 0 && found < migrations.length) keepCopy(database, found)
  migrations.forEach(({ number, up }, index) => {
    invariant(number === index + 1, `migration ${number} stands at place ${index + 1}`)
    if (number <= found) return
    database
      .transaction(() => {
        up(database)
        database.pragma(`user_version = ${number}`)
      })
      .immediate()
  })
}

function keepCopy(database: Database, version: number): void {
  const copy = `${database.name}.v${version}`
  if (existsSync(copy)) rmSync(copy)
  database.prepare('VACUUM INTO ?').run(copy)
}

function newer(path: string, found: number, known: number): QuantdError {
  return new QuantdError(
    'ERR_STORE_NEWER',
    `database '${path}' has version ${found}, this release knows versions up to ${known}: install the newer release again, or stop the daemon and put back the copy '${basename(path)}.v${known}' that the newer one made before its upgrade`,
    { details: { path, found, known } },
  )
}
