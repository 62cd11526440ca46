import type { Database } from 'better-sqlite3'
import type { TensorSpec } from '../../engines/engine.js'
import { Manifest } from '../../samples/manifest.js'
import type { StateStore } from '../store/state-store.js'
import type { VersionRecord } from './model.js'

/** A version as the store keeps it. */
export interface StoredVersion extends VersionRecord {
  /** Hash of report.json in the artifact store. */
  readonly report?: string
  /** Engine and processor that the judgement holds for. */
  readonly judgedOn?: string
}

/** A model as the store keeps it: what must not be half changed is changed in one `save`. */
export interface StoredModel {
  readonly name: string
  /** Hash of the bundle, the name of its folder. */
  readonly bundle: string
  /** Model file within the bundle. */
  readonly file: string
  readonly manifest: Manifest
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
  readonly versions: readonly StoredVersion[]
  readonly active: string | undefined
  readonly previous: string | undefined
  readonly pinned: boolean
  /** What the operator should know besides the state, one sentence; '' is nothing. */
  readonly note: string
}

interface ModelRow {
  name: string
  bundle: string
  file: string
  manifest: string
  inputs: string
  outputs: string
  active: string | null
  previous: string | null
  pinned: number
  note: string
}

interface VersionRow {
  version: number
  kind: VersionRecord['kind']
  state: VersionRecord['state']
  device: string
  engine: string
  precision: NonNullable<VersionRecord['precision']> | null
  artifact: string
  report: string | null
  scheme: 'symmetric' | 'asymmetric' | null
  calibrated_at: string | null
  samples: number | null
  judgement: string | null
  judged_on: string | null
  created_at: string
}

/** Models and versions in state.db. JSON columns are written here alone, so they are read back as what they were; manifests go through their schema. */
export class ModelTable {
  readonly #store: StateStore
  readonly #database: Database

  constructor(store: StateStore) {
    this.#store = store
    this.#database = store.database
  }

  all(): StoredModel[] {
    const rows = this.#database.prepare<[], ModelRow>('SELECT * FROM models ORDER BY name').all()
    return rows.map(row => ({
      name: row.name,
      bundle: row.bundle,
      file: row.file,
      manifest: Manifest.parse(JSON.parse(row.manifest)),
      inputs: JSON.parse(row.inputs) as TensorSpec[],
      outputs: JSON.parse(row.outputs) as TensorSpec[],
      versions: this.#versions(row.name),
      active: row.active ?? undefined,
      previous: row.previous ?? undefined,
      pinned: row.pinned === 1,
      note: row.note,
    }))
  }

  /** The model with exactly these versions, in one transaction. */
  save(model: StoredModel): void {
    this.#store.transaction(() => {
      this.#database
        .prepare(
          `INSERT INTO models (name, bundle, file, manifest, inputs, outputs, active, previous, pinned, note)
           VALUES (@name, @bundle, @file, @manifest, @inputs, @outputs, @active, @previous, @pinned, @note)
           ON CONFLICT (name) DO UPDATE SET bundle = @bundle, file = @file, manifest = @manifest, inputs = @inputs, outputs = @outputs,
             active = @active, previous = @previous, pinned = @pinned, note = @note`,
        )
        .run({
          ...model,
          manifest: JSON.stringify(model.manifest),
          inputs: JSON.stringify(model.inputs),
          outputs: JSON.stringify(model.outputs),
          versions: null,
          active: model.active ?? null,
          previous: model.previous ?? null,
          pinned: model.pinned ? 1 : 0,
        })
      this.#database.prepare('DELETE FROM versions WHERE model = ?').run(model.name)
      for (const version of model.versions) this.#insert(model.name, version)
    })
  }

  remove(name: string): void {
    this.#store.transaction(() => this.#database.prepare('DELETE FROM models WHERE name = ?').run(name))
  }

  #versions(model: string): StoredVersion[] {
    const rows = this.#database.prepare<[string], VersionRow>('SELECT * FROM versions WHERE model = ? ORDER BY version').all(model)
    return rows.map(row => ({
      version: String(row.version),
      kind: row.kind,
      state: row.state,
      device: row.device,
      engine: row.engine,
      artifact: row.artifact,
      createdAt: row.created_at,
      ...(row.precision === null ? {} : { precision: row.precision }),
      ...(row.report === null ? {} : { report: row.report }),
      ...(row.scheme === null ? {} : { scheme: row.scheme }),
      ...(row.calibrated_at === null ? {} : { calibratedAt: row.calibrated_at }),
      ...(row.samples === null ? {} : { samples: row.samples }),
      ...(row.judgement === null ? {} : { judgement: JSON.parse(row.judgement) as NonNullable<VersionRecord['judgement']> }),
      ...(row.judged_on === null ? {} : { judgedOn: row.judged_on }),
    }))
  }

  #insert(model: string, version: StoredVersion): void {
    this.#database
      .prepare(
        `INSERT INTO versions (model, version, kind, state, device, engine, artifact, report, scheme, calibrated_at, samples, judgement, judged_on, created_at, precision)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        model,
        Number(version.version),
        version.kind,
        version.state,
        version.device,
        version.engine,
        version.artifact,
        version.report ?? null,
        version.scheme ?? null,
        version.calibratedAt ?? null,
        version.samples ?? null,
        version.judgement === undefined ? null : JSON.stringify(version.judgement),
        version.judgedOn ?? null,
        version.createdAt,
        version.precision ?? null,
      )
  }
}
