import type { DeviceWorker } from '../../engines/worker/device-worker.js'
import { errorMessage, QuantdError } from '../../errors.js'
import type { Device } from '../../hardware/device.js'
import { logger } from '../../log.js'
import type { Judgement } from '../../quantization/report/report.js'
import type { Bundle } from '../../samples/bundle.js'
import type { Manifest } from '../../samples/manifest.js'
import type { EncodedRequest } from '../../samples/request.js'
import { type Clock, systemClock } from '../../time.js'
import { crashPoint } from '../store/crash-point.js'
import type { StateStore } from '../store/state-store.js'
import { Refusal } from '../wire-errors.js'
import { checkAnswer } from './golden-check.js'
import { inspectModel } from './inspect-model.js'
import type { LiveSession } from './live-session.js'
import type { ModelEvent, ModelRecord, Models, Route, VersionRecord } from './model.js'
import { type ModelEntry, publicVersion, recordOf } from './model-entry.js'
import { notOpen, notReady, otherModel, refusedVersion, requireVersion } from './model-refusals.js'
import { ModelSessions } from './model-sessions.js'
import { Mutex } from './mutex.js'
import { ModelTable, type StoredModel, type StoredVersion } from './stored-model.js'
import { readReport, VersionFiles } from './version-files.js'
import { findVersion, judgedState, withActive, withFields, withVersion } from './version-rules.js'

const log = logger('gateway/models')

const compareLimitMs = 60_000
const statsLimitMs = 30_000
/** Rounds of a comparison per call: an abort is seen between two calls. */
const roundsAtOnce = 20

export interface ModelRegistryOptions {
  readonly store: StateStore
  /** The worker of the device that serves, and what it is. */
  readonly worker: DeviceWorker
  readonly device: Device
  readonly engine: { readonly name: string; readonly version: string }
  /** Threads of one inference. */
  readonly threads: number
  /** Limit of the process that reads a model for the first time. */
  readonly memoryMiB: number
  /** A request that the model has answered before, for the check of a new version; undefined when none was captured. */
  readonly goldenRequest?: (model: string) => Promise<EncodedRequest | undefined>
  readonly clock?: Clock
}

/**
 * `Models` over state.db, the artifact store and one device worker. What answers is switched by one transaction, so a crash at any moment leaves exactly
 * the old or the new version active; the version before stays open, which makes a rollback a matter of milliseconds.
 */
export class ModelRegistry implements Models {
  readonly #options: ModelRegistryOptions
  readonly #clock: Clock
  readonly #table: ModelTable
  readonly #files: VersionFiles
  readonly #entries = new Map<string, ModelEntry>()
  readonly #mutexes = new Map<string, Mutex>()
  readonly #listeners = new Set<(event: ModelEvent) => void>()
  readonly #unsubscribe: () => void

  constructor(options: ModelRegistryOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#table = new ModelTable(options.store)
    this.#files = new VersionFiles(options.store.folder)
    this.#unsubscribe = options.worker.on(event => {
      if (event === 'back') void this.#reopenLost()
    })
  }

  /** Opens what was active when the daemon last ran; a damaged int8 falls back to float and says so. Never throws for one model. */
  async restore(): Promise<void> {
    for (const stored of this.#table.all()) this.#entries.set(stored.name, this.#newEntry(stored))
    await this.#collect('all')
    for (const name of [...this.#entries.keys()]) await this.#mutex(name).run(() => this.#restoreModel(this.#entry(name)))
    for (const [name, { stored, state }] of this.#entries) {
      const { previous } = stored
      if (state !== 'ready' || previous === undefined) continue
      await this.#mutex(name)
        .run(() => this.#open(this.#entry(name), previous))
        .catch(error => log.warn({ model: name, version: previous, error: errorMessage(error) }, 'previous version cannot be opened'))
    }
  }

  list(): readonly ModelRecord[] {
    return [...this.#entries.values()].map(recordOf)
  }

  get(name: string): ModelRecord {
    return recordOf(this.#entry(name))
  }

  stale(): readonly { readonly model: string; readonly version: string }[] {
    return [...this.#entries.values()].flatMap(({ stored }) => {
      const version = this.#staleVersion(stored)
      return version === undefined ? [] : [{ model: stored.name, version: version.version }]
    })
  }

  async load(path: string, { name, signal }: { name?: string; signal?: AbortSignal } = {}): Promise<ModelRecord> {
    const bundle = await this.#files.readBundle(path, name)
    try {
      return await this.#mutex(bundle.name).run(() => this.#install(bundle, signal))
    } finally {
      await bundle.close()
    }
  }

  async unload(name: string): Promise<void> {
    await this.#change(name, async entry => {
      this.#table.remove(name)
      this.#entries.delete(name)
      this.#emit({ kind: 'removed', name })
      log.info({ model: name }, 'model unloaded')
      await entry.sessions.keepOnly()
      await this.#collect('unreferenced')
    })
  }

  paths(name: string, version = '1'): { bundle: string; model: string; report: string | undefined } {
    const { stored } = this.#entry(name)
    const found = requireVersion(stored, version)
    return { bundle: this.#files.bundlePath(stored), model: this.#files.modelPath(stored, found), report: this.#files.reportPath(found) }
  }

  async addVersion(name: string, files: { model: string; report: string }): Promise<VersionRecord> {
    const report = await readReport(files.report)
    const arriving = [await this.#files.putModel(files.model), await this.#files.putReport(report)] as const
    try {
      return await this.#change(name, async entry => {
        const { judgement } = report
        if (report.model.sha256 !== requireVersion(entry.stored, '1').artifact) throw otherModel(name, report)
        const { model, added } = withVersion(entry.stored, {
          kind: 'int8',
          state: judgement?.verdict === 'refused' ? 'refused' : 'candidate',
          device: this.#options.device.id,
          engine: this.#options.engine.name,
          artifact: arriving[0].hash,
          report: arriving[1].hash,
          scheme: report.chosen.scheme,
          calibratedAt: this.#now(),
          samples: report.samples.calibration,
          ...(judgement === undefined ? {} : { judgement, judgedOn: this.#engineAndProcessor() }),
          createdAt: this.#now(),
        })
        this.#save(entry, model)
        await this.#collect('unreferenced')
        log.info({ model: name, version: added.version, state: added.state }, 'version added')
        return publicVersion(added)
      })
    } finally {
      for (const { settled } of arriving) settled()
    }
  }

  async judge(name: string, version: string, judgement: Judgement): Promise<VersionRecord> {
    return this.#change(name, async entry => {
      const { report } = requireVersion(entry.stored, version)
      const arriving = report === undefined ? undefined : await this.#files.putJudgedReport(report, judgement)
      const fields = { judgement, judgedOn: this.#engineAndProcessor(), ...(arriving === undefined ? {} : { report: arriving.hash }) }
      const judged = withFields(entry.stored, version, { ...fields, state: judgedState(requireVersion(entry.stored, version), judgement) })
      this.#save(entry, version === judged.active ? { ...judged, note: '' } : judged)
      arriving?.settled()
      return publicVersion(requireVersion(entry.stored, version))
    })
  }

  async activate(name: string, version: string, { force = false, pin }: { force?: boolean; pin?: boolean } = {}): Promise<ModelRecord> {
    return this.#change(name, async entry => {
      const found = requireVersion(entry.stored, version)
      if (found.state === 'refused' && !force) throw refusedVersion(name, found)
      const pinned = pin ?? entry.stored.pinned
      if (entry.stored.active === version && entry.state === 'ready') {
        if (pinned !== entry.stored.pinned) this.#save(entry, { ...entry.stored, pinned })
        return recordOf(entry)
      }
      const session = await this.#open(entry, version)
      try {
        await this.#checkAnswers(entry, session)
      } catch (error) {
        void this.#closeIdle(entry)
        throw error
      }
      this.#switch(entry, { version, pinned, kind: 'activated' })
      return recordOf(entry)
    })
  }

  async rollback(name: string): Promise<ModelRecord> {
    return this.#change(name, async entry => {
      const { previous, pinned } = entry.stored
      if (previous === undefined) {
        throw new Refusal('CONFLICT', 'ERR_MODEL_PREVIOUS', `model '${name}' has no version before the active one`, {
          details: { model: name },
        })
      }
      await this.#open(entry, previous)
      this.#switch(entry, { version: previous, pinned, kind: 'rolledback' })
      return recordOf(entry)
    })
  }

  async pin(name: string, { pinned, version }: { readonly pinned: boolean; readonly version?: string }): Promise<ModelRecord> {
    const entry = this.#entry(name)
    const target = version ?? entry.stored.active
    if (target === undefined) throw notReady(entry)
    if (pinned) return this.activate(name, target, { force: true, pin: true })
    return this.#change(name, async changing => {
      this.#save(changing, { ...changing.stored, pinned: false })
      return recordOf(changing)
    })
  }

  async setCapture(name: string, capture: Manifest['capture']): Promise<ModelRecord> {
    return this.#change(name, async entry => {
      this.#save(entry, { ...entry.stored, manifest: { ...entry.stored.manifest, capture } })
      return recordOf(entry)
    })
  }

  acquire(name: string, version?: string): { readonly route: Route; readonly manifest: Manifest; release(): void } {
    const entry = this.#entry(name)
    const { active, manifest } = entry.stored
    const wanted = version ?? active
    if (version !== undefined) requireVersion(entry.stored, version)
    const session = wanted === undefined ? undefined : entry.sessions.get(wanted)
    if (session === undefined) throw wanted === active ? notReady(entry) : notOpen(entry, wanted)
    const route = { model: name, version: session.version, key: session.key, device: this.#options.device.id }
    return { route, manifest, release: session.hold() }
  }

  async compare(
    name: string,
    versions: readonly [string, string],
    { contentType, jsonLength, body }: EncodedRequest,
    rounds: number,
    signal?: AbortSignal,
  ): Promise<readonly (readonly number[])[]> {
    const held = await this.#mutex(name).run(async () => {
      const entry = this.#entry(name)
      const sessions: LiveSession[] = []
      for (const version of versions) sessions.push(await this.#open(entry, version))
      return sessions.map(session => ({ key: session.key, release: session.hold() }))
    })
    const keys = held.map(({ key }) => key)
    const times: number[][] = versions.map(() => [])
    try {
      for (let done = 0; done < rounds; done += roundsAtOnce) {
        if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'comparison aborted', { cause: signal.reason })
        const { meta } = await this.#options.worker.call(
          'compare',
          { keys, rounds: Math.min(roundsAtOnce, rounds - done), contentType, ...(jsonLength === undefined ? {} : { jsonLength }) },
          { body, timeoutMs: compareLimitMs, ...(signal === undefined ? {} : { signal }) },
        )
        for (const [index, list] of meta.timesUs.entries()) times[index]?.push(...list)
      }
      return times
    } finally {
      for (const { release } of held) release()
      const entry = this.#entries.get(name)
      if (entry !== undefined) void this.#mutex(name).run(async () => void this.#closeIdle(entry))
    }
  }

  on(listener: (event: ModelEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when nothing is being changed or closed any more. Open sessions end with their worker. */
  async close(): Promise<void> {
    this.#unsubscribe()
    await Promise.all([...this.#mutexes.values()].map(mutex => mutex.run(async () => {})))
    await Promise.all([...this.#entries.values()].map(({ sessions }) => sessions.settled()))
  }

  async #install(bundle: Bundle, signal: AbortSignal | undefined): Promise<ModelRecord> {
    const old = this.#entries.get(bundle.name)
    if (old !== undefined && old.stored.bundle === bundle.hash && old.state === 'ready') return recordOf(old)
    const { memoryMiB, engine } = this.#options
    const file = { path: bundle.model.path, engine: engine.name, manifest: bundle.manifest }
    await inspectModel(file, { memoryMiB, ...(signal === undefined ? {} : { signal }) })
    const arriving = await this.#files.putBundle(bundle)
    crashPoint('bundle-stored')
    const entry = this.#newEntry(this.#firstForm(bundle))
    if (old === undefined) {
      this.#entries.set(bundle.name, entry)
      this.#emit({ kind: 'changed', model: recordOf(entry) })
    }
    try {
      await this.#open(entry, '1')
      signal?.throwIfAborted()
      this.#table.save(entry.stored)
      crashPoint('after-install')
    } catch (error) {
      // What was there before goes on as it was.
      await entry.sessions.keepOnly()
      if (old === undefined) this.#entries.delete(bundle.name)
      if (old === undefined) this.#emit({ kind: 'removed', name: bundle.name })
      throw error
    } finally {
      arriving.settled()
    }
    entry.state = 'ready'
    this.#entries.set(bundle.name, entry)
    void old?.sessions.keepOnly()
    log.info({ model: bundle.name, bundle: bundle.hash.slice(0, 12), file: bundle.model.name }, 'model loaded')
    this.#emit({ kind: 'changed', model: recordOf(entry) })
    this.#emit({ kind: 'activated', model: recordOf(entry), version: '1', from: old?.stored.active })
    await this.#collect('unreferenced')
    return recordOf(entry)
  }

  /** The model of a bundle that nobody has quantized yet. */
  #firstForm({ name, hash, manifest, model }: Bundle): StoredModel {
    const float: StoredVersion = {
      version: '1',
      kind: 'float',
      state: 'active',
      device: this.#options.device.id,
      engine: this.#options.engine.name,
      artifact: model.sha256,
      createdAt: this.#now(),
    }
    const facts = { inputs: [], outputs: [], previous: undefined, pinned: false, note: '' }
    return { name, bundle: hash, file: model.name, manifest, versions: [float], active: '1', ...facts }
  }

  async #restoreModel(entry: ModelEntry): Promise<void> {
    const { name, active = '1' } = entry.stored
    try {
      await this.#open(entry, active)
    } catch (error) {
      if (active === '1') return this.#fail(entry, error)
      log.error({ model: name, version: active, error: errorMessage(error) }, 'active version cannot be opened: falling back to float')
      try {
        await this.#open(entry, '1')
      } catch (worse) {
        return this.#fail(entry, worse)
      }
      const note = `version ${active} cannot be opened (${errorMessage(error)}): float answers`
      const fallen = withFields(withActive(entry.stored, '1'), active, { state: 'retired' })
      this.#saveLater(entry, { ...fallen, previous: undefined, pinned: false, note })
    }
    entry.state = 'ready'
    this.#noteStale(entry)
    this.#emit({ kind: 'changed', model: recordOf(entry) })
  }

  /** After a loss of the worker: what its new process could not open again is opened here, or makes way for float. */
  async #reopenLost(): Promise<void> {
    try {
      const { meta } = await this.#options.worker.call('stats', {}, { timeoutMs: statsLimitMs })
      for (const [name, entry] of this.#entries) {
        await this.#mutex(name).run(async () => {
          const lost = entry.sessions.forgetAllBut(meta.keys)
          if (lost.length > 0) log.warn({ model: name, versions: lost }, 'versions were not open any more after a loss of their worker')
          if (entry.stored.active !== undefined && lost.includes(entry.stored.active)) await this.#restoreModel(entry)
        })
      }
    } catch (error) {
      // The worker is lost again, or closing: the next process brings the next event.
      log.warn({ error: errorMessage(error) }, 'sessions not compared with their worker')
    }
  }

  /** DECISIONS, Judge: after an upgrade of the engine or a change of the processor a judgement no longer holds. */
  #noteStale(entry: ModelEntry): void {
    const stale = this.#staleVersion(entry.stored)
    if (stale === undefined) return
    const note = `version ${stale.version} was judged on ${stale.judgedOn}, this is ${this.#engineAndProcessor()}: to be judged again`
    log.warn({ model: entry.stored.name, version: stale.version, judgedOn: stale.judgedOn }, 'judgement no longer holds')
    this.#saveLater(entry, { ...entry.stored, note })
  }

  #staleVersion(stored: StoredModel): StoredVersion | undefined {
    const active = stored.active === undefined ? undefined : findVersion(stored, stored.active)
    if (active?.kind !== 'int8' || active.judgedOn === undefined) return undefined
    return active.judgedOn === this.#engineAndProcessor() ? undefined : active
  }

  #fail(entry: ModelEntry, error: unknown): void {
    entry.state = 'failed'
    entry.why = errorMessage(error)
    log.error({ model: entry.stored.name, error: entry.why }, 'model cannot be opened')
    this.#emit({ kind: 'changed', model: recordOf(entry) })
  }

  /** The open session of a version; opens it when it is not. Holders of the model's mutex only. */
  async #open(entry: ModelEntry, version: string): Promise<LiveSession> {
    const open = entry.sessions.get(version)
    if (open !== undefined) return open
    const found = requireVersion(entry.stored, version)
    const path = await this.#files.verified(entry.stored, found)
    const { session, facts } = await entry.sessions.open(entry.stored, found, path)
    if (version === '1') entry.stored = { ...entry.stored, inputs: facts.inputs, outputs: facts.outputs }
    return session
  }

  /** @throws ERR_MODEL_ANSWER */
  async #checkAnswers({ stored, sessions }: ModelEntry, session: LiveSession): Promise<void> {
    const reference = stored.active === undefined ? undefined : sessions.get(stored.active)
    const request = await this.#options.goldenRequest?.(stored.name)
    if (reference === undefined || request === undefined || reference === session) return
    checkAnswer(await sessions.answer(reference, request), await sessions.answer(session, request))
  }

  /** The moment of the swap: one transaction, then new requests go to the new version; who holds the old one finishes there. */
  #switch(entry: ModelEntry, { version, pinned, kind }: { version: string; pinned: boolean; kind: 'activated' | 'rolledback' }): void {
    const from = entry.stored.active
    crashPoint('before-switch')
    this.#table.save({ ...withActive(entry.stored, version), pinned, note: '' })
    crashPoint('after-switch')
    entry.stored = { ...withActive(entry.stored, version), pinned, note: '' }
    entry.state = 'ready'
    entry.why = ''
    void this.#closeIdle(entry)
    const model = recordOf(entry)
    log.info({ model: model.name, version, from }, kind === 'activated' ? 'version activated' : 'rolled back')
    this.#emit({ kind: 'changed', model })
    this.#emit({ kind, model, version, from })
  }

  /** Closes what is neither active nor previous. */
  #closeIdle({ stored, sessions }: ModelEntry): Promise<void> {
    return sessions.keepOnly(stored.active, stored.previous)
  }

  async #collect(what: 'all' | 'unreferenced'): Promise<void> {
    await this.#files.collect(
      [...this.#entries.values()].map(({ stored }) => stored),
      what,
    )
  }

  /** Runs a change of a loaded model alone. @throws Refusal MODEL_NOT_FOUND */
  async #change<T>(name: string, work: (entry: ModelEntry) => Promise<T>): Promise<T> {
    this.#entry(name)
    return this.#mutex(name).run(() => work(this.#entry(name)))
  }

  /** First the store, then memory, then everyone is told. */
  #save(entry: ModelEntry, stored: StoredModel): void {
    this.#table.save(stored)
    entry.stored = stored
    this.#emit({ kind: 'changed', model: recordOf(entry) })
  }

  /** What holds whether or not the disk takes it now: the next start finds it out again. */
  #saveLater(entry: ModelEntry, stored: StoredModel): void {
    entry.stored = stored
    try {
      this.#table.save(stored)
    } catch (error) {
      log.error({ model: stored.name, error: errorMessage(error) }, 'state of a model not written')
    }
  }

  #newEntry(stored: StoredModel): ModelEntry {
    return { stored, state: 'loading', why: '', sessions: new ModelSessions(this.#options) }
  }

  #entry(name: string): ModelEntry {
    const entry = this.#entries.get(name)
    if (entry !== undefined) return entry
    throw new Refusal('MODEL_NOT_FOUND', 'ERR_MODEL_UNKNOWN', `model '${name}' is not loaded`, { details: { model: name } })
  }

  #mutex(name: string): Mutex {
    const mutex = this.#mutexes.get(name) ?? new Mutex()
    this.#mutexes.set(name, mutex)
    return mutex
  }

  #emit(event: ModelEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  #engineAndProcessor(): string {
    const { device, engine } = this.#options
    return `${engine.name} ${engine.version}, ${device.name} (${[...device.features].sort().join(' ')})`
  }

  #now(): string {
    return new Date(this.#clock.wall()).toISOString()
  }
}
