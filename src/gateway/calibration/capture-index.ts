import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { errorCode, QuantdError } from '../../errors.js'
import { logger } from '../../log.js'
import type { ContentType } from '../../samples/request.js'
import type { Label } from '../../samples/sample.js'
import { openDatabase } from '../store/database.js'
import { defineMigration } from '../store/migrations/migration.js'
import type { CapturedModel, CaptureRecord } from './capture-record.js'
import type { ReservoirState } from './reservoir.js'

const log = logger('gateway/calibration')

const initial = defineMigration({
  number: 1,
  what: 'initial',
  up(database) {
    database.exec(`
      CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE models (model TEXT PRIMARY KEY, seed INTEGER NOT NULL, seen INTEGER NOT NULL, capacity INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE samples (
        model TEXT NOT NULL,
        id TEXT NOT NULL,
        request_id TEXT,
        pool TEXT NOT NULL CHECK (pool IN ('reservoir', 'least-confident')),
        content_type TEXT NOT NULL,
        json_length INTEGER,
        size_bytes INTEGER NOT NULL,
        confidence REAL,
        operating_ms INTEGER NOT NULL,
        label TEXT,
        PRIMARY KEY (model, id)
      ) STRICT, WITHOUT ROWID;
    `)
  },
})

interface Row {
  id: string
  request_id: string | null
  pool: CaptureRecord['pool']
  content_type: ContentType
  json_length: number | null
  size_bytes: number
  confidence: number | null
  operating_ms: number
  label: string | null
}

/**
 * `captures.db` and the folder `captures/<model>/` beside it, used by the writer thread alone. Captures may be lost with the power, the index never names
 * a file that is not there whole: on opening, rows without their file and files without their row are removed.
 */
export class CaptureIndex {
  readonly folder: string
  readonly database: Database

  /** @throws ERR_STORE_OPEN, ERR_STORE_NEWER, ERR_STORE_FULL. A damaged index is put aside: its samples are gone, capture goes on */
  constructor(stateFolder: string) {
    this.folder = join(stateFolder, 'captures')
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    this.database = openOrPutAside(join(stateFolder, 'captures.db'))
    this.#sweep()
  }

  path(model: string, id: string): string {
    return join(this.folder, model, id)
  }

  models(): CapturedModel[] {
    const names = this.database.prepare<[], { model: string }>('SELECT model FROM models ORDER BY model').all()
    return names.map(({ model }) => this.model(model)!)
  }

  model(model: string): CapturedModel | undefined {
    const reservoir = this.database.prepare<[string], ReservoirState>('SELECT seed, seen, capacity FROM models WHERE model = ?').get(model)
    if (reservoir === undefined) return undefined
    const rows = this.database.prepare<[string], Row>('SELECT * FROM samples WHERE model = ? ORDER BY id').all(model)
    return { model, reservoir, records: rows.map(recordOf) }
  }

  insert(model: string, record: CaptureRecord): void {
    this.database
      .prepare(
        `INSERT INTO samples (model, id, request_id, pool, content_type, json_length, size_bytes, confidence, operating_ms, label)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        model,
        record.id,
        record.requestId ?? null,
        record.pool,
        record.contentType,
        record.jsonLength ?? null,
        record.sizeBytes,
        record.confidence ?? null,
        record.operatingMs,
        record.label === undefined ? null : JSON.stringify(record.label),
      )
  }

  drop(model: string, ids: readonly string[]): void {
    const remove = this.database.prepare('DELETE FROM samples WHERE model = ? AND id = ?')
    for (const id of ids) remove.run(model, id)
  }

  label(model: string, id: string, label: Label): void {
    this.database.prepare('UPDATE samples SET label = ? WHERE model = ? AND id = ?').run(JSON.stringify(label), model, id)
  }

  setReservoir(model: string, { seed, seen, capacity }: ReservoirState): void {
    this.database
      .prepare(
        `INSERT INTO models (model, seed, seen, capacity) VALUES (?, ?, ?, ?)
         ON CONFLICT (model) DO UPDATE SET seed = excluded.seed, seen = excluded.seen, capacity = excluded.capacity`,
      )
      .run(model, seed, seen, capacity)
  }

  operatingMs(): number {
    return this.database.prepare<[], { value: number }>(`SELECT value FROM meta WHERE key = 'operating_ms'`).get()?.value ?? 0
  }

  setOperatingMs(value: number): void {
    this.database
      .prepare(`INSERT INTO meta (key, value) VALUES ('operating_ms', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`)
      .run(Math.round(value))
  }

  lastId(): string | undefined {
    return this.database.prepare<[], { id: string | null }>('SELECT max(id) AS id FROM samples').get()?.id ?? undefined
  }

  close(): void {
    this.database.close()
  }

  #sweep(): void {
    const known = new Map<string, Map<string, number>>()
    for (const { model, id, size_bytes } of this.database
      .prepare<[], { model: string; id: string; size_bytes: number }>('SELECT model, id, size_bytes FROM samples')
      .all()) {
      if (!known.has(model)) known.set(model, new Map())
      known.get(model)!.set(id, size_bytes)
    }
    for (const model of readdirSync(this.folder)) {
      const rows = known.get(model)
      for (const id of readdirSync(join(this.folder, model))) {
        const path = this.path(model, id)
        if (rows?.get(id) === statSync(path).size) rows.delete(id)
        else rmSync(path, { recursive: true, force: true })
      }
    }
    for (const [model, rows] of known) this.drop(model, [...rows.keys()])
  }
}

function openOrPutAside(path: string): Database {
  const open = () => openDatabase({ path, migrations: [initial], synchronous: 'NORMAL' })
  try {
    return open()
  } catch (error) {
    const cause = error instanceof QuantdError ? error.cause : undefined
    const damaged = cause instanceof Error && 'code' in cause && /^SQLITE_(CORRUPT|NOTADB)/.test(String(cause.code))
    if (errorCode(error) !== 'ERR_STORE_OPEN' || !damaged) throw error
    log.warn({ path }, 'index of captured samples is damaged: put aside, samples are lost')
    renameSync(path, `${path}.damaged`)
    for (const suffix of ['-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true })
    return open()
  }
}

function recordOf(row: Row): CaptureRecord {
  return {
    id: row.id,
    ...(row.request_id === null ? {} : { requestId: row.request_id }),
    pool: row.pool,
    contentType: row.content_type,
    ...(row.json_length === null ? {} : { jsonLength: row.json_length }),
    sizeBytes: row.size_bytes,
    ...(row.confidence === null ? {} : { confidence: row.confidence }),
    operatingMs: row.operating_ms,
    ...(row.label === null ? {} : { label: JSON.parse(row.label) as Label }),
  }
}
