import { logger } from '../../log.js'
import type { BackOff } from '../../process/back-off.js'
import { moduleFiles } from '../../quantization/accuracy/bundle-metrics.js'
import type { ChoiceEntry, Judgement } from '../../quantization/report/report.js'
import type { Bundle } from '../../samples/bundle.js'
import type { Manifest } from '../../samples/manifest.js'
import type { EncodedRequest } from '../../samples/request.js'
import { type Clock, systemClock } from '../../time.js'
import { crashPoint } from '../store/crash-point.js'
import type { StateStore } from '../store/state-store.js'
import { Refusal } from '../wire-errors.js'
import { compareVersions } from './compare-versions.js'
import type { DeviceHealth } from './device-health.js'
import { checkAnswer } from './golden-check.js'
import { Homecoming, homecomingBackOff } from './homecoming.js'
import { inspectModel } from './inspect-model.js'
import { staleVersion } from './judged-on.js'
import type { LiveSession, OpenFigures } from './live-session.js'
import { LoadedModels } from './loaded-models.js'
import type { FloatForm, ModelEvent, ModelRecord, Models, Route, VersionRecord, VersionSource } from './model.js'
import { type ModelEntry, recordOf } from './model-entry.js'
import { notOpen, notReady, refusedVersion, requireVersion } from './model-refusals.js'
import type { Computing } from './model-sessions.js'
import { restore } from './restore.js'
import type { ServingDevices } from './serving-devices.js'
import { openStandIn, prepareStandIn } from './stand-in.js'
import type { StoredModel, StoredVersion } from './stored-model.js'
import { withActive } from './version-rules.js'
import { Versions } from './versions.js'

const log = logger('gateway/models')

export interface ModelRegistryOptions {
  readonly store: StateStore
  /** Who serves; devices may be added later. */
  readonly devices: ServingDevices
  readonly computing: Computing
  /** Limit of the process that reads a model for the first time. */
  readonly memoryMiB: number
  /** A request that the model has answered before, for the check of a new version; undefined when none was captured. */
  readonly goldenRequest?: (model: string) => Promise<EncodedRequest | undefined>
  readonly clock?: Clock
  /** How often a version that its engine refuses is tried again. */
  readonly backOff?: BackOff
}

/**
 * `Models` over state.db, the artifact store and the workers of the devices. What answers is switched by one transaction, so a crash at any moment leaves exactly
 * the old or the new version active; the version before stays open, which makes a rollback a matter of milliseconds.
 */
export class ModelRegistry implements Models, DeviceHealth {
  readonly #options: ModelRegistryOptions
  readonly #clock: Clock
  readonly #loaded: LoadedModels
  readonly #devices: ServingDevices
  readonly #homecoming: Homecoming
  readonly #versions: Versions

  constructor(options: ModelRegistryOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#devices = options.devices
    this.#loaded = new LoadedModels(options)
    this.#versions = new Versions({ loaded: this.#loaded, clock: this.#clock })
    this.#homecoming = new Homecoming({ loaded: this.#loaded, clock: this.#clock, backOff: options.backOff ?? homecomingBackOff })
  }

  /** Opens what was active when the daemon last ran; a damaged int8 falls back to float and says so. Never throws for one model. */
  async restore(): Promise<void> {
    for (const name of await restore(this.#loaded)) this.#homecoming.bring(name)
  }

  list(): readonly ModelRecord[] {
    return this.#loaded.all().map(recordOf)
  }

  get(name: string): ModelRecord {
    return recordOf(this.#loaded.get(name))
  }

  stale(): readonly { readonly model: string; readonly version: string }[] {
    return this.#loaded.all().flatMap(({ stored }) => {
      const version = staleVersion(stored, this.#devices)
      return version === undefined ? [] : [{ model: stored.name, version: version.version }]
    })
  }

  async load(path: string, { name, signal }: { name?: string; signal?: AbortSignal } = {}): Promise<ModelRecord> {
    const bundle = await this.#loaded.files.readBundle(path, name)
    try {
      // Throws for metrics that are neither of the catalog nor files of the bundle.
      moduleFiles(bundle)
      return await this.#loaded.alone(bundle.name, () => this.#install(bundle, signal))
    } finally {
      await bundle.close()
    }
  }

  async unload(name: string): Promise<void> {
    await this.#loaded.change(name, async entry => {
      this.#loaded.table.remove(name)
      this.#loaded.remove(name)
      log.info({ model: name }, 'model unloaded')
      await entry.sessions.keepOnly()
      await this.#loaded.collect('unreferenced')
    })
  }

  paths(name: string, version = '1'): { bundle: string; model: string; report: string | undefined } {
    const { stored } = this.#loaded.get(name)
    const found = requireVersion(stored, version)
    return {
      bundle: this.#loaded.files.bundlePath(stored),
      model: this.#loaded.files.modelPath(stored, found),
      report: this.#loaded.files.reportPath(found),
    }
  }

  addVersion(name: string, source: VersionSource): Promise<VersionRecord> {
    return this.#versions.add(name, source)
  }

  addFloat(name: string, form: FloatForm): Promise<VersionRecord> {
    return this.#versions.addFloat(name, form)
  }

  judge(name: string, version: string, judgement: Judgement, choice?: readonly ChoiceEntry[]): Promise<VersionRecord> {
    return this.#versions.judge(name, version, judgement, choice)
  }

  async activate(name: string, version: string, { force = false, pin }: { force?: boolean; pin?: boolean } = {}): Promise<ModelRecord> {
    return this.#loaded.change(name, async entry => {
      const found = requireVersion(entry.stored, version)
      if (found.state === 'refused' && !force) throw refusedVersion(name, found)
      const pinned = pin ?? entry.stored.pinned
      if (entry.stored.active === version && entry.state === 'ready') {
        if (pinned !== entry.stored.pinned) this.#loaded.save(entry, { ...entry.stored, pinned })
        return recordOf(entry)
      }
      const session = await this.#loaded.open(entry, version)
      try {
        await this.#checkAnswers(entry, session)
        await prepareStandIn(this.#loaded, entry, version)
      } catch (error) {
        void this.#closeIdle(entry)
        throw error
      }
      this.#switch(entry, { version, pinned, kind: 'activated' })
      return recordOf(entry)
    })
  }

  async rollback(name: string): Promise<ModelRecord> {
    return this.#loaded.change(name, async entry => {
      const { previous, pinned } = entry.stored
      if (previous === undefined) {
        throw new Refusal('CONFLICT', 'ERR_MODEL_PREVIOUS', `model '${name}' has no version before the active one`, {
          details: { model: name },
        })
      }
      await this.#loaded.open(entry, previous)
      await prepareStandIn(this.#loaded, entry, previous)
      this.#switch(entry, { version: previous, pinned, kind: 'rolledback' })
      return recordOf(entry)
    })
  }

  async pin(name: string, { pinned, version }: { readonly pinned: boolean; readonly version?: string }): Promise<ModelRecord> {
    const entry = this.#loaded.get(name)
    const target = version ?? entry.stored.active
    if (target === undefined) throw notReady(entry)
    if (pinned) return this.activate(name, target, { force: true, pin: true })
    return this.#loaded.change(name, async changing => {
      this.#loaded.save(changing, { ...changing.stored, pinned: false })
      return recordOf(changing)
    })
  }

  async setCapture(name: string, capture: Manifest['capture']): Promise<ModelRecord> {
    return this.#loaded.change(name, async entry => {
      this.#loaded.save(entry, { ...entry.stored, manifest: { ...entry.stored.manifest, capture } })
      return recordOf(entry)
    })
  }

  acquire(
    name: string,
    version?: string,
    { avoid }: { readonly avoid?: string } = {},
  ): { readonly route: Route; readonly manifest: Manifest; release(): void } {
    const entry = this.#loaded.get(name)
    const { active, manifest } = entry.stored
    const wanted = version ?? active
    if (version !== undefined) requireVersion(entry.stored, version)
    const own = wanted === undefined ? undefined : entry.sessions.get(wanted)
    const session = version === undefined ? this.#answering(entry, own, avoid) : own
    if (session === undefined) throw wanted === active ? notReady(entry) : notOpen(entry, wanted)
    const route = { model: name, version: session.version, key: session.key, device: session.device, parallel: session.parallel }
    return { route, manifest, release: session.hold() }
  }

  opened(name: string, version: string): OpenFigures | undefined {
    return this.#loaded.get(name).sessions.figures(version)
  }

  async compare(
    name: string,
    versions: readonly [string, string],
    request: EncodedRequest,
    rounds: number,
    signal?: AbortSignal,
  ): Promise<readonly (readonly number[])[]> {
    const held = await this.#loaded.change(name, async entry => {
      const sessions: LiveSession[] = []
      for (const version of versions) sessions.push(await this.#loaded.open(entry, version))
      return sessions.map(session => ({ session, release: session.hold() }))
    })
    const sessions = held.map(({ session }) => session)
    try {
      return await compareVersions(sessions, { devices: this.#devices, request, rounds, signal })
    } finally {
      for (const { release } of held) release()
      const entry = this.#loaded.find(name)
      if (entry !== undefined) void this.#loaded.alone(name, async () => void this.#closeIdle(entry))
    }
  }

  silent(device: string): void {
    this.#devices.setSilent(device, true)
  }

  answers(device: string): void {
    this.#devices.setSilent(device, false)
  }

  dismiss({ model, version }: Route, why: string): void {
    this.#homecoming.dismiss(model, version, why)
  }

  on(listener: (event: ModelEvent) => void): () => void {
    return this.#loaded.on(listener)
  }

  /** Resolves when nothing is being changed or closed any more. Open sessions end with their worker. */
  async close(): Promise<void> {
    await this.#homecoming.close()
    await this.#loaded.settled()
  }

  /** The session that answers for the active version: its own, or the stand-in while that is gone or to be avoided. */
  #answering(entry: ModelEntry, own: LiveSession | undefined, avoid: string | undefined): LiveSession | undefined {
    if (own?.isOpen === true && own.device !== avoid && !this.#devices.isSilent(own.device)) return own
    // Its worker takes calls and does not have it: nobody will tell of that.
    if (own?.isOpen === false && this.#devices.get(own.device)?.worker.state === 'ready') this.#homecoming.bring(entry.stored.name)
    return openStandIn(entry, this.#reference) ?? own
  }

  get #reference(): string {
    return this.#devices.reference.device.id
  }

  async #install(bundle: Bundle, signal: AbortSignal | undefined): Promise<ModelRecord> {
    const old = this.#loaded.find(bundle.name)
    if (old !== undefined && old.stored.bundle === bundle.hash && old.state === 'ready') return recordOf(old)
    const { memoryMiB } = this.#options
    const file = { path: bundle.model.path, engine: this.#devices.reference.engine.name, manifest: bundle.manifest }
    await inspectModel(file, { memoryMiB, ...(signal === undefined ? {} : { signal }) })
    const arriving = await this.#loaded.files.putBundle(bundle)
    crashPoint('bundle-stored')
    const entry = this.#loaded.newEntry(this.#firstForm(bundle))
    if (old === undefined) {
      this.#loaded.put(entry)
      this.#loaded.emit({ kind: 'changed', model: recordOf(entry) })
    }
    try {
      await this.#loaded.open(entry, '1')
      signal?.throwIfAborted()
      this.#loaded.table.save(entry.stored)
      crashPoint('after-install')
    } catch (error) {
      // What was there before goes on as it was.
      await entry.sessions.keepOnly()
      if (old === undefined) this.#loaded.remove(bundle.name)
      throw error
    } finally {
      arriving.settled()
    }
    entry.state = 'ready'
    this.#loaded.put(entry)
    void old?.sessions.keepOnly()
    log.info({ model: bundle.name, bundle: bundle.hash.slice(0, 12), file: bundle.model.name }, 'model loaded')
    this.#loaded.emit({ kind: 'changed', model: recordOf(entry) })
    this.#loaded.emit({ kind: 'activated', model: recordOf(entry), version: '1', from: old?.stored.active })
    await this.#loaded.collect('unreferenced')
    return recordOf(entry)
  }

  /** The model of a bundle that nobody has quantized yet. */
  #firstForm({ name, hash, manifest, model }: Bundle): StoredModel {
    const float: StoredVersion = {
      version: '1',
      kind: 'float',
      state: 'active',
      device: this.#reference,
      engine: this.#devices.reference.engine.name,
      artifact: model.sha256,
      createdAt: this.#now(),
    }
    const facts = { inputs: [], outputs: [], previous: undefined, pinned: false, note: '' }
    return { name, bundle: hash, file: model.name, manifest, versions: [float], active: '1', ...facts }
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
    this.#loaded.table.save({ ...withActive(entry.stored, version), pinned, note: '' })
    crashPoint('after-switch')
    entry.stored = { ...withActive(entry.stored, version), pinned, note: '' }
    entry.state = 'ready'
    entry.why = ''
    entry.away = ''
    void this.#closeIdle(entry)
    const model = recordOf(entry)
    log.info({ model: model.name, version, from }, kind === 'activated' ? 'version activated' : 'rolled back')
    this.#loaded.emit({ kind: 'changed', model })
    this.#loaded.emit({ kind, model, version, from })
  }

  #now(): string {
    return new Date(this.#clock.wall()).toISOString()
  }

  /** Closes what neither answers, nor stands ready to, nor stands in. */
  #closeIdle(entry: ModelEntry): Promise<void> {
    const { stored, sessions } = entry
    return sessions.keepOnly(stored.active, stored.previous, openStandIn(entry, this.#reference)?.version)
  }
}
