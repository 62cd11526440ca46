import { errorMessage } from '../../errors.js'
import { logger } from '../../log.js'
import type { StateStore } from '../store/state-store.js'
import { Refusal } from '../wire-errors.js'
import type { LiveSession } from './live-session.js'
import type { ModelEvent } from './model.js'
import { type ModelEntry, recordOf } from './model-entry.js'
import { requireVersion } from './model-refusals.js'
import { type Computing, ModelSessions } from './model-sessions.js'
import { Mutex } from './mutex.js'
import type { ServingDevices } from './serving-devices.js'
import { ModelTable, type StoredModel } from './stored-model.js'
import { VersionFiles } from './version-files.js'

const log = logger('gateway/models')

export interface LoadedModelsOptions {
  readonly store: StateStore
  readonly devices: ServingDevices
  readonly computing: Computing
}

/** The models in memory, each with its row in the store, its files, its open sessions and its mutex; and who is told when one changes. */
export class LoadedModels {
  readonly table: ModelTable
  readonly files: VersionFiles
  readonly devices: ServingDevices
  readonly #options: LoadedModelsOptions
  readonly #entries = new Map<string, ModelEntry>()
  readonly #mutexes = new Map<string, Mutex>()
  readonly #listeners = new Set<(event: ModelEvent) => void>()

  constructor(options: LoadedModelsOptions) {
    this.#options = options
    this.devices = options.devices
    this.table = new ModelTable(options.store)
    this.files = new VersionFiles(options.store.folder)
  }

  all(): readonly ModelEntry[] {
    return [...this.#entries.values()]
  }

  find(name: string): ModelEntry | undefined {
    return this.#entries.get(name)
  }

  /** @throws Refusal MODEL_NOT_FOUND */
  get(name: string): ModelEntry {
    const entry = this.#entries.get(name)
    if (entry !== undefined) return entry
    throw new Refusal('MODEL_NOT_FOUND', 'ERR_MODEL_UNKNOWN', `model '${name}' is not loaded`, { details: { model: name } })
  }

  /** An entry with nothing open, not among the loaded ones yet. */
  newEntry(stored: StoredModel): ModelEntry {
    return { stored, state: 'loading', why: '', away: '', sessions: new ModelSessions(this.#options) }
  }

  /** Puts `entry` in the place of what has its name. */
  put(entry: ModelEntry): void {
    this.#entries.set(entry.stored.name, entry)
  }

  remove(name: string): void {
    this.#entries.delete(name)
    this.emit({ kind: 'removed', name })
  }

  /** Runs `work` when nothing else is at work on the model of that name, loaded or not. */
  alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    const mutex = this.#mutexes.get(name) ?? new Mutex()
    this.#mutexes.set(name, mutex)
    return mutex.run(work)
  }

  /** Runs a change of a loaded model alone. @throws Refusal MODEL_NOT_FOUND */
  async change<T>(name: string, work: (entry: ModelEntry) => Promise<T>): Promise<T> {
    this.get(name)
    return this.alone(name, () => work(this.get(name)))
  }

  /** First the store, then memory, then everyone is told. */
  save(entry: ModelEntry, stored: StoredModel): void {
    this.table.save(stored)
    entry.stored = stored
    this.emit({ kind: 'changed', model: recordOf(entry) })
  }

  /** What holds whether or not the disk takes it now: the next start finds it out again. */
  saveLater(entry: ModelEntry, stored: StoredModel): void {
    entry.stored = stored
    try {
      this.table.save(stored)
    } catch (error) {
      log.error({ model: stored.name, error: errorMessage(error) }, 'state of a model not written')
    }
  }

  /** The open session of a version; opens it when it is not. For whoever is alone with the model. @throws ERR_STORE_ARTIFACT, ERR_ENGINE_OPEN, ERR_WORKER_* */
  async open(entry: ModelEntry, version: string): Promise<LiveSession> {
    entry.sessions.forgetLost()
    const open = entry.sessions.get(version)
    if (open !== undefined) return open
    const found = requireVersion(entry.stored, version)
    const path = await this.files.verified(entry.stored, found)
    const { session, facts } = await entry.sessions.open(entry.stored, found, path)
    if (version === '1') entry.stored = { ...entry.stored, inputs: facts.inputs, outputs: facts.outputs }
    return session
  }

  /** Deletes the files that no model refers to (`VersionFiles.collect`). */
  async collect(what: 'all' | 'unreferenced'): Promise<void> {
    await this.files.collect(
      this.all().map(({ stored }) => stored),
      what,
    )
  }

  on(listener: (event: ModelEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  emit(event: ModelEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  /** Resolves when nothing is being changed or closed any more. */
  async settled(): Promise<void> {
    await Promise.all([...this.#mutexes.values()].map(mutex => mutex.run(async () => {})))
    await Promise.all(this.all().map(({ sessions }) => sessions.settled()))
  }
}
