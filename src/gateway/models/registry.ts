import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DeviceWorker } from '../../engines/worker/device-worker.js'
import { errorMessage, invariant, QuantdError } from '../../errors.js'
import type { Device } from '../../hardware/device.js'
import { logger } from '../../log.js'
import { type Judgement, Report } from '../../quantization/report/report.js'
import type { Bundle } from '../../samples/bundle.js'
import type { Manifest } from '../../samples/manifest.js'
import type { EncodedRequest, EncodedResponse } from '../../samples/request.js'
import { type Clock, systemClock } from '../../time.js'
import { Artifacts, hashBytes, hashFile } from '../store/artifacts.js'
import { crashPoint } from '../store/crash-point.js'
import type { StateStore } from '../store/state-store.js'
import { Refusal } from '../wire-errors.js'
import { BundleStore } from './bundle-store.js'
import { checkAnswer } from './golden-check.js'
import { inspectModel } from './inspect-model.js'
import { LiveSession } from './live-session.js'
import type { ModelEvent, ModelRecord, Models, Route, VersionRecord } from './model.js'
import { Mutex } from './mutex.js'
import { ModelTable, type StoredModel, type StoredVersion } from './stored-model.js'
import { findVersion, withActive, withFields, withVersion } from './version-rules.js'

const log = logger('gateway/models')

/** Loading a large model on a slow disk, warm-up included. */
const openLimitMs = 120_000
const inferLimitMs = 60_000
const closeLimitMs = 30_000
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

interface Entry {
  stored: StoredModel
  state: 'loading' | 'ready' | 'failed'
  why: string
  readonly sessions: Map<string, LiveSession>
}

/**
 * `Models` over state.db, the artifact store and one device worker. What answers is switched by one transaction, so a crash at any moment leaves exactly
 * the old or the new version active; the version before stays open, which makes a rollback a matter of milliseconds.
 */
export class ModelRegistry implements Models {
  readonly #options: ModelRegistryOptions
  readonly #clock: Clock
  readonly #table: ModelTable
  readonly #artifacts: Artifacts
  readonly #bundles: BundleStore
  readonly #entries = new Map<string, Entry>()
  readonly #mutexes = new Map<string, Mutex>()
  readonly #listeners = new Set<(event: ModelEvent) => void>()
  /** Bundles and artifacts that are on the disk but not in the database yet. */
  readonly #arriving = new Set<string>()
  readonly #closing = new Set<Promise<void>>()
  #generation = 0

  constructor(options: ModelRegistryOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#table = new ModelTable(options.store)
    this.#artifacts = new Artifacts(options.store.folder)
    this.#bundles = new BundleStore(options.store.folder)
  }

  /** Opens what was active when the daemon last ran; a damaged int8 falls back to float and says so. Never throws for one model. */
  async restore(): Promise<void> {
    for (const stored of this.#table.all()) this.#entries.set(stored.name, newEntry(stored))
    await this.#collect('all')
    for (const name of [...this.#entries.keys()]) await this.#mutex(name).run(() => this.#restoreModel(name))
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

  async load(path: string, { name, signal }: { name?: string; signal?: AbortSignal } = {}): Promise<ModelRecord> {
    const bundle = await this.#bundles.read(path, name)
    try {
      return await this.#mutex(bundle.name).run(() => this.#install(bundle, signal))
    } finally {
      await bundle.close()
      this.#arriving.delete(bundle.hash)
    }
  }

  async unload(name: string): Promise<void> {
    this.#entry(name)
    await this.#mutex(name).run(async () => {
      const entry = this.#entry(name)
      this.#table.remove(name)
      this.#entries.delete(name)
      this.#emit({ kind: 'removed', name })
      log.info({ model: name }, 'model unloaded')
      const sessions = [...entry.sessions.values()]
      entry.sessions.clear()
      await Promise.all(sessions.map(session => this.#retire(session)))
      await this.#collect('unreferenced')
    })
  }

  paths(name: string, version?: string): { bundle: string; model: string; report: string | undefined } {
    const { stored } = this.#entry(name)
    const found = version === undefined ? undefined : this.#version(stored, version)
    return {
      bundle: this.#bundles.path(stored.bundle),
      model: this.#modelPath(stored, found ?? this.#float(stored)),
      report: found?.report === undefined ? undefined : this.#artifacts.path(found.report),
    }
  }

  async addVersion(name: string, files: { model: string; report: string }): Promise<VersionRecord> {
    const report = Report.parse(JSON.parse(await readFile(files.report, 'utf8')))
    const artifact = await hashFile(files.model)
    this.#arriving.add(artifact)
    try {
      await this.#artifacts.putFile(files.model)
      return await this.#mutex(name).run(async () => {
        const reportHash = await this.#putReport(report)
        const entry = this.#entry(name)
        const { judgement } = report
        const { model, added } = withVersion(entry.stored, {
          kind: 'int8',
          state: judgement?.verdict === 'refused' ? 'refused' : 'candidate',
          device: this.#options.device.id,
          engine: this.#options.engine.name,
          artifact,
          report: reportHash,
          scheme: report.chosen.scheme,
          calibratedAt: this.#now(),
          samples: report.samples.calibration,
          ...(judgement === undefined ? {} : { judgement, judgedOn: this.#engineAndProcessor() }),
          createdAt: this.#now(),
        })
        this.#save(entry, model)
        this.#arriving.delete(reportHash)
        this.#closeDropped(entry)
        await this.#collect('unreferenced')
        log.info({ model: name, version: added.version, state: added.state }, 'version added')
        this.#emit({ kind: 'changed', model: recordOf(entry) })
        return publicVersion(added)
      })
    } finally {
      this.#arriving.delete(artifact)
    }
  }

  async judge(name: string, version: string, judgement: Judgement): Promise<VersionRecord> {
    return this.#mutex(name).run(async () => {
      const entry = this.#entry(name)
      const { report } = this.#version(entry.stored, version)
      const fields: Partial<StoredVersion> = { judgement, judgedOn: this.#engineAndProcessor() }
      const hash = report === undefined ? undefined : await this.#rewriteReport(report, judgement)
      const { state, ...found } = this.#version(entry.stored, version)
      const resting = state === 'candidate' || state === 'retired' || state === 'refused'
      const judged: StoredVersion = { ...found, ...fields, state, ...(hash === undefined ? {} : { report: hash }) }
      const settled = resting ? (judgement.verdict === 'refused' ? 'refused' : state === 'refused' ? 'candidate' : state) : state
      this.#save(entry, withFields(entry.stored, version, { ...judged, state: settled }))
      if (hash !== undefined) this.#arriving.delete(hash)
      this.#emit({ kind: 'changed', model: recordOf(entry) })
      return publicVersion(this.#version(entry.stored, version))
    })
  }

  async activate(name: string, version: string, { force = false, pin }: { force?: boolean; pin?: boolean } = {}): Promise<ModelRecord> {
    this.#entry(name)
    return this.#mutex(name).run(async () => {
      const entry = this.#entry(name)
      const found = this.#version(entry.stored, version)
      if (found.state === 'refused' && !force) {
        throw new Refusal(
          'CONFLICT',
          'ERR_MODEL_REFUSED',
          `model '${name}' version ${version} was refused: ${found.judgement?.sentence ?? 'no reason kept'}`,
          {
            details: { model: name, version },
          },
        )
      }
      const pinned = pin ?? entry.stored.pinned
      if (entry.stored.active === version && entry.state === 'ready') {
        if (pinned !== entry.stored.pinned) this.#changed(entry, { ...entry.stored, pinned })
        return recordOf(entry)
      }
      const session = await this.#open(entry, version)
      try {
        await this.#checkAnswers(entry, session)
      } catch (error) {
        if (entry.stored.previous !== version) await this.#drop(entry, version)
        throw error
      }
      this.#switch(entry, { version, pinned, kind: 'activated' })
      return recordOf(entry)
    })
  }

  async rollback(name: string): Promise<ModelRecord> {
    this.#entry(name)
    return this.#mutex(name).run(async () => {
      const entry = this.#entry(name)
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
    const target = version ?? this.#entry(name).stored.active
    if (target === undefined) throw this.#notReady(this.#entry(name))
    if (pinned) return this.activate(name, target, { force: true, pin: true })
    return this.#mutex(name).run(async () => {
      const entry = this.#entry(name)
      this.#changed(entry, { ...entry.stored, pinned: false })
      return recordOf(entry)
    })
  }

  async setCapture(name: string, capture: Manifest['capture']): Promise<ModelRecord> {
    this.#entry(name)
    return this.#mutex(name).run(async () => {
      const entry = this.#entry(name)
      this.#changed(entry, { ...entry.stored, manifest: { ...entry.stored.manifest, capture } })
      return recordOf(entry)
    })
  }

  acquire(name: string, version?: string): { readonly route: Route; readonly manifest: Manifest; release(): void } {
    const entry = this.#entry(name)
    const wanted = version ?? entry.stored.active
    if (version !== undefined) this.#version(entry.stored, version)
    const session = wanted === undefined ? undefined : entry.sessions.get(wanted)
    if (session === undefined || wanted === undefined) {
      if (version === undefined || version === entry.stored.active) throw this.#notReady(entry)
      throw new Refusal(
        'VERSION_NOT_FOUND',
        'ERR_MODEL_VERSION',
        `model '${name}' version ${version} is not open: ${[...entry.sessions.keys()].sort().join(' and ')} answer`,
        {
          details: { model: name, version, open: [...entry.sessions.keys()].sort() },
        },
      )
    }
    return {
      route: { model: name, version: wanted, key: session.key, device: this.#options.device.id },
      manifest: entry.stored.manifest,
      release: session.hold(),
    }
  }

  async compare(
    name: string,
    versions: readonly [string, string],
    request: EncodedRequest,
    rounds: number,
    signal?: AbortSignal,
  ): Promise<readonly (readonly number[])[]> {
    const held = await this.#mutex(name).run(async () => {
      const entry = this.#entry(name)
      const sessions: LiveSession[] = []
      for (const version of versions) sessions.push(await this.#open(entry, version))
      return { keys: sessions.map(({ key }) => key), release: sessions.map(session => session.hold()) }
    })
    try {
      const times: number[][] = versions.map(() => [])
      for (let done = 0; done < rounds; done += roundsAtOnce) {
        if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'comparison aborted', { cause: signal.reason })
        const { contentType, jsonLength, body } = request
        const now = Math.min(roundsAtOnce, rounds - done)
        const { meta } = await this.#options.worker.call(
          'compare',
          { keys: held.keys, rounds: now, contentType, ...(jsonLength === undefined ? {} : { jsonLength }) },
          { body, timeoutMs: inferLimitMs, ...(signal === undefined ? {} : { signal }) },
        )
        for (const [index, list] of meta.timesUs.entries()) times[index]?.push(...list)
      }
      return times
    } finally {
      for (const release of held.release) release()
      await this.#mutex(name).run(async () => this.#closeIdle(this.#entries.get(name)))
    }
  }

  on(listener: (event: ModelEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when nothing is being changed or closed any more. The sessions end with their worker. */
  async close(): Promise<void> {
    await Promise.all([...this.#mutexes.values()].map(mutex => mutex.run(async () => {})))
    await Promise.all(this.#closing)
  }

  async #install(bundle: Bundle, signal: AbortSignal | undefined): Promise<ModelRecord> {
    const old = this.#entries.get(bundle.name)
    if (old !== undefined && old.stored.bundle === bundle.hash && old.state === 'ready') return recordOf(old)
    const { memoryMiB } = this.#options
    await inspectModel(bundle.model.path, { memoryMiB, ...(signal === undefined ? {} : { signal }) })
    this.#arriving.add(bundle.hash)
    await this.#bundles.keep(bundle)
    crashPoint('bundle-stored')
    const float: StoredVersion = {
      version: '1',
      kind: 'float',
      state: 'active',
      device: this.#options.device.id,
      engine: this.#options.engine.name,
      artifact: bundle.model.sha256,
      createdAt: this.#now(),
    }
    const entry = newEntry({
      name: bundle.name,
      bundle: bundle.hash,
      file: bundle.model.name,
      manifest: bundle.manifest,
      inputs: [],
      outputs: [],
      versions: [float],
      active: '1',
      previous: undefined,
      pinned: false,
      note: '',
    })
    if (old === undefined) {
      this.#entries.set(bundle.name, entry)
      this.#emit({ kind: 'changed', model: recordOf(entry) })
    }
    try {
      await this.#open(entry, '1')
      signal?.throwIfAborted()
      crashPoint('before-install')
      this.#save(entry, entry.stored)
      crashPoint('after-install')
    } catch (error) {
      await this.#abandon(entry, old)
      throw error
    }
    entry.state = 'ready'
    this.#entries.set(bundle.name, entry)
    for (const session of old?.sessions.values() ?? []) this.#inBackground(this.#retire(session))
    log.info({ model: bundle.name, bundle: bundle.hash.slice(0, 12), file: bundle.model.name }, 'model loaded')
    this.#emit({ kind: 'changed', model: recordOf(entry) })
    this.#emit({ kind: 'activated', model: recordOf(entry), version: '1', from: old?.stored.active })
    await this.#collect('unreferenced')
    return recordOf(entry)
  }

  /** Takes back a load that failed: what was there before goes on as it was. */
  async #abandon(entry: Entry, old: Entry | undefined): Promise<void> {
    await this.#drop(entry, '1')
    if (old !== undefined) return
    this.#entries.delete(entry.stored.name)
    this.#emit({ kind: 'removed', name: entry.stored.name })
  }

  async #restoreModel(name: string): Promise<void> {
    const entry = this.#entry(name)
    const active = entry.stored.active ?? '1'
    try {
      await this.#open(entry, active)
      entry.state = 'ready'
    } catch (error) {
      if (active === '1') return this.#fail(entry, error)
      const note = `version ${active} cannot be opened (${errorMessage(error)}): float answers`
      log.error({ model: name, version: active, error: errorMessage(error) }, 'active version cannot be opened: falling back to float')
      try {
        await this.#open(entry, '1')
      } catch (worse) {
        return this.#fail(entry, worse)
      }
      const fallen = withActive(entry.stored, '1')
      this.#save(entry, { ...withFields(fallen, active, { state: 'retired' }), previous: undefined, pinned: false, note })
      entry.state = 'ready'
    }
    this.#noteStale(entry)
    entry.why = entry.stored.note
    this.#emit({ kind: 'changed', model: recordOf(entry) })
  }

  /** DECISIONS, Judge: after an upgrade of the engine or a change of the processor a judgement no longer holds. */
  #noteStale(entry: Entry): void {
    const { stored } = entry
    const active = stored.active === undefined ? undefined : findVersion(stored, stored.active)
    const now = this.#engineAndProcessor()
    if (active?.kind !== 'int8' || active.judgedOn === undefined || active.judgedOn === now) return
    const note = `version ${active.version} was judged on ${active.judgedOn}, this is ${now}: to be judged again`
    log.warn({ model: stored.name, version: active.version, judgedOn: active.judgedOn, now }, 'judgement no longer holds')
    this.#save(entry, { ...stored, note })
  }

  #fail(entry: Entry, error: unknown): void {
    entry.state = 'failed'
    entry.why = errorMessage(error)
    log.error({ model: entry.stored.name, error: entry.why }, 'model cannot be opened')
    this.#emit({ kind: 'changed', model: recordOf(entry) })
  }

  /** The open session of a version; opens it when it is not. Holders of the model's mutex only. */
  async #open(entry: Entry, version: string): Promise<LiveSession> {
    const { stored, sessions } = entry
    const open = sessions.get(version)
    if (open !== undefined) return open
    const found = this.#version(stored, version)
    const artifact = await this.#verified(stored, found)
    this.#generation += 1
    const key = `${stored.name}@${version}#${this.#generation}`
    const { worker, threads } = this.#options
    const request = {
      key,
      engine: found.engine,
      artifact,
      manifest: stored.manifest,
      modelName: stored.name,
      version,
      threads,
    }
    const { meta } = await worker.call('open', request, { timeoutMs: openLimitMs })
    const close = async () => {
      await worker.call('close', { key }, { timeoutMs: closeLimitMs })
    }
    const session = new LiveSession({ version, key, close })
    sessions.set(version, session)
    if (version === '1') entry.stored = { ...entry.stored, inputs: meta.inputs, outputs: meta.outputs }
    log.info({ model: stored.name, version, loadMs: Math.round(meta.loadMs), rssMiB: meta.rssMiB }, 'version opened')
    return session
  }

  async #checkAnswers(entry: Entry, session: LiveSession): Promise<void> {
    const reference = entry.stored.active === undefined ? undefined : entry.sessions.get(entry.stored.active)
    const request = await this.#options.goldenRequest?.(entry.stored.name)
    if (reference === undefined || request === undefined || reference === session) return
    checkAnswer(await this.#answer(reference, request), await this.#answer(session, request))
  }

  async #answer({ key }: LiveSession, { contentType, jsonLength, body }: EncodedRequest): Promise<EncodedResponse> {
    const request = { key, contentType, ...(jsonLength === undefined ? {} : { jsonLength }) }
    const { meta, body: answer } = await this.#options.worker.call('infer', request, { body, timeoutMs: inferLimitMs })
    return { contentType: meta.contentType, ...(meta.jsonLength === undefined ? {} : { jsonLength: meta.jsonLength }), body: answer }
  }

  /** The moment of the swap: one transaction, then new requests go to the new version; who holds the old one finishes there. */
  #switch(entry: Entry, { version, pinned, kind }: { version: string; pinned: boolean; kind: 'activated' | 'rolledback' }): void {
    const from = entry.stored.active
    crashPoint('before-switch')
    this.#save(entry, { ...withActive(entry.stored, version), pinned, note: '' })
    crashPoint('after-switch')
    entry.state = 'ready'
    entry.why = ''
    this.#closeIdle(entry)
    const model = recordOf(entry)
    log.info({ model: model.name, version, from }, kind === 'activated' ? 'version activated' : 'rolled back')
    this.#emit({ kind: 'changed', model })
    this.#emit({ kind, model, version, from })
  }

  /** Closes what is neither active nor previous, each after its last request. */
  #closeIdle(entry: Entry | undefined): void {
    if (entry === undefined) return
    const { active, previous } = entry.stored
    for (const version of [...entry.sessions.keys()]) {
      if (version === active || version === previous) continue
      this.#inBackground(this.#drop(entry, version))
    }
  }

  /** Closes versions that are no longer in the record. */
  #closeDropped(entry: Entry): void {
    for (const version of [...entry.sessions.keys()]) {
      if (findVersion(entry.stored, version) === undefined) this.#inBackground(this.#drop(entry, version))
    }
  }

  async #drop(entry: Entry, version: string): Promise<void> {
    const session = entry.sessions.get(version)
    entry.sessions.delete(version)
    if (session !== undefined) await this.#retire(session)
  }

  async #retire(session: LiveSession): Promise<void> {
    try {
      await session.retire()
    } catch (error) {
      // The worker is gone or closing: its next process will not open this key again, or there is none.
      log.warn({ key: session.key, error: errorMessage(error) }, 'session not closed')
    }
  }

  #inBackground(work: Promise<void>): void {
    this.#closing.add(work)
    void work.finally(() => this.#closing.delete(work))
  }

  async #verified(stored: StoredModel, version: StoredVersion): Promise<string> {
    if (version.kind === 'int8') return this.#artifacts.verify(version.artifact)
    const path = this.#modelPath(stored, version)
    const found = await hashFile(path).catch(error => {
      throw new QuantdError('ERR_STORE_ARTIFACT', `model file '${path}': ${errorMessage(error)}`, { details: { path }, cause: error })
    })
    if (found === version.artifact) return path
    throw new QuantdError('ERR_STORE_ARTIFACT', `model file '${path}' is damaged: load the bundle again`, { details: { path } })
  }

  #modelPath(stored: StoredModel, version: StoredVersion): string {
    return version.kind === 'float' ? join(this.#bundles.path(stored.bundle), stored.file) : this.#artifacts.path(version.artifact)
  }

  async #putReport(report: Report): Promise<string> {
    const bytes = Buffer.from(`${JSON.stringify(report, undefined, 2)}\n`)
    this.#arriving.add(hashBytes(bytes))
    return this.#artifacts.putBytes(bytes)
  }

  async #rewriteReport(hash: string, judgement: Judgement): Promise<string> {
    const report = Report.parse(JSON.parse(await readFile(this.#artifacts.path(hash), 'utf8')))
    return this.#putReport({ ...report, judgement })
  }

  /** Deletes what no model refers to. 'all' also takes what a crash left half done, so only while nothing else runs. */
  async #collect(what: 'all' | 'unreferenced'): Promise<void> {
    const stored = [...this.#entries.values()].map(entry => entry.stored)
    const int8 = stored.flatMap(({ versions }) => versions.filter(({ kind }) => kind === 'int8'))
    const artifacts = int8.flatMap(({ artifact, report }) => [artifact, report ?? artifact])
    try {
      await this.#artifacts.collect(new Set([...artifacts, ...this.#arriving]))
      await this.#bundles.collect(new Set([...stored.map(({ bundle }) => bundle), ...this.#arriving]), what)
    } catch (error) {
      log.warn({ error: errorMessage(error) }, 'unused files not deleted')
    }
  }

  #changed(entry: Entry, stored: StoredModel): void {
    this.#save(entry, stored)
    this.#emit({ kind: 'changed', model: recordOf(entry) })
  }

  /** First the store, then what everyone sees. */
  #save(entry: Entry, stored: StoredModel): void {
    this.#table.save(stored)
    entry.stored = stored
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name)
    if (entry !== undefined) return entry
    throw new Refusal('MODEL_NOT_FOUND', 'ERR_MODEL_UNKNOWN', `model '${name}' is not loaded`, { details: { model: name } })
  }

  #version(stored: StoredModel, version: string): StoredVersion {
    const found = findVersion(stored, version)
    if (found !== undefined) return found
    throw new Refusal('VERSION_NOT_FOUND', 'ERR_MODEL_VERSION', `model '${stored.name}' has no version ${version}`, {
      details: { model: stored.name, version, versions: stored.versions.map(candidate => candidate.version) },
    })
  }

  #float(stored: StoredModel): StoredVersion {
    const found = findVersion(stored, '1')
    invariant(found !== undefined, `model '${stored.name}' has no float version`)
    return found
  }

  #notReady({ stored, state, why }: Entry): Refusal {
    return new Refusal('NOT_READY', 'ERR_MODEL_NOT_READY', `model '${stored.name}' is ${state}${why === '' ? '' : `: ${why}`}`, {
      details: { model: stored.name, state },
      retryAfterMs: 1_000,
    })
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

function newEntry(stored: StoredModel): Entry {
  return { stored, state: 'loading', why: '', sessions: new Map() }
}

function recordOf({ stored, state, why }: Entry): ModelRecord {
  const { name, bundle, manifest, inputs, outputs, versions, active, previous, pinned, note } = stored
  return {
    name,
    bundle,
    manifest,
    inputs,
    outputs,
    versions: versions.map(publicVersion),
    active,
    previous,
    pinned,
    state,
    why: why === '' ? note : why,
  }
}

function publicVersion({ report: _, judgedOn: __, ...version }: StoredVersion): VersionRecord {
  return version
}
