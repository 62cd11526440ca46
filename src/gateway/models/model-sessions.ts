import { randomUUID } from 'node:crypto'
import type { OpenOptions } from '../../engines/engine.js'
import type { DeviceWorkerCalls } from '../../engines/worker/protocol.js'
import { errorMessage } from '../../errors.js'
import { logger } from '../../log.js'
import type { EncodedRequest, EncodedResponse } from '../../samples/request.js'
import { Refusal } from '../wire-errors.js'
import { LiveSession, type OpenFigures } from './live-session.js'
import { engineOptions, type ServingDevice, type ServingDevices } from './serving-devices.js'
import type { StoredModel, StoredVersion } from './stored-model.js'

const log = logger('gateway/models')

/** Loading a large model on a slow disk, warm-up included. */
const openLimitMs = 120_000
const inferLimitMs = 60_000
const closeLimitMs = 30_000

type Hint = NonNullable<OpenOptions['hint']>

/** How sessions use the processor. */
export interface Computing {
  /** Of models whose model.json has no word on it. */
  readonly hint: Hint
  /** Threads of a session, by its hint. */
  readonly threads: Readonly<Record<Hint, number>>
}

/** The versions of one model that are open, each in the worker of its device. Who opens and drops holds the model's mutex; holding a session needs none. */
export class ModelSessions {
  readonly #devices: ServingDevices
  readonly #computing: Computing
  readonly #open = new Map<string, LiveSession>()
  readonly #closing = new Set<Promise<void>>()
  readonly #figures = new Map<string, OpenFigures>()

  constructor({ devices, computing }: { readonly devices: ServingDevices; readonly computing: Computing }) {
    this.#devices = devices
    this.#computing = computing
  }

  get(version: string): LiveSession | undefined {
    return this.#open.get(version)
  }

  all(): readonly LiveSession[] {
    return [...this.#open.values()]
  }

  get versions(): readonly string[] {
    return [...this.#open.keys()].sort((a, b) => Number(a) - Number(b))
  }

  /** What the last opening of a version took, in this run of the daemon. */
  figures(version: string): OpenFigures | undefined {
    return this.#figures.get(version)
  }

  /** @param path of the version's model file, checked. @throws ERR_ENGINE_OPEN, ERR_MODEL_DEVICE, ERR_WORKER_*, ERR_TIMEOUT */
  async open(
    { name, manifest }: StoredModel,
    { version, engine, device, precision }: StoredVersion,
    path: string,
  ): Promise<{ readonly session: LiveSession; readonly facts: DeviceWorkerCalls['open']['response'] }> {
    const serving = this.#device(device, { name, version })
    const { worker, cache } = serving
    const key = `${name}@${version}#${randomUUID().slice(0, 8)}`
    const hint = manifest.hint ?? this.#computing.hint
    const options = { ...engineOptions(serving, precision), hint, ...(cache === undefined ? {} : { cache }) }
    const threads = this.#computing.threads[hint]
    const { meta: facts } = await worker.call(
      'open',
      { key, engine, artifact: path, manifest, modelName: name, version, threads, options },
      { timeoutMs: openLimitMs },
    )
    const figures = { ms: facts.loadMs, memoryMiB: facts.memoryMiB }
    const session = new LiveSession({
      version,
      key,
      device,
      parallel: facts.parallel,
      figures,
      isOpen: () => worker.holds(key),
      close: () => this.#close(serving, key),
    })
    this.#open.set(version, session)
    this.#figures.set(version, figures)
    log.info({ model: name, version, device, options, loadMs: facts.loadMs, rssMiB: facts.rssMiB }, 'version opened')
    return { session, facts }
  }

  /** What a version answers to a request, as a caller would see it. */
  async answer({ key, device, version }: LiveSession, { contentType, jsonLength, body }: EncodedRequest): Promise<EncodedResponse> {
    const { worker } = this.#device(device, { name: key, version })
    const request = { key, contentType, ...(jsonLength === undefined ? {} : { jsonLength }) }
    const { meta, body: answer } = await worker.call('infer', request, { body, timeoutMs: inferLimitMs })
    return { contentType: meta.contentType, ...(meta.jsonLength === undefined ? {} : { jsonLength: meta.jsonLength }), body: answer }
  }

  /** Takes one version out of reach; it is closed after its last request. */
  drop(version: string): void {
    const session = this.#open.get(version)
    if (session === undefined) return
    this.#open.delete(version)
    void this.#whileClosing(session.retire())
  }

  /** Takes every version but `kept` out of reach; each is closed after its last request. Resolves when all are. */
  async keepOnly(...kept: readonly (string | undefined)[]): Promise<void> {
    const leaving = [...this.#open.values()].filter(({ version }) => !kept.includes(version))
    for (const { version } of leaving) this.#open.delete(version)
    await this.#whileClosing(Promise.all(leaving.map(session => session.retire())).then(() => {}))
  }

  /** Forgets what the worker of its device does not have open although it takes calls. @returns the versions that are lost */
  forgetLost(): readonly string[] {
    const lost = this.all().filter(session => !session.isOpen && this.#devices.get(session.device)?.worker.state === 'ready')
    for (const { version } of lost) this.#open.delete(version)
    return lost.map(({ version }) => version)
  }

  /** Resolves when nothing is being closed any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#closing)
  }

  #whileClosing(closing: Promise<void>): Promise<void> {
    this.#closing.add(closing)
    return closing.finally(() => this.#closing.delete(closing))
  }

  /** @throws Refusal NOT_READY */
  #device(id: string, { name, version }: { readonly name: string; readonly version: string }): ServingDevice {
    const found = this.#devices.get(id)
    if (found !== undefined) return found
    throw new Refusal('NOT_READY', 'ERR_MODEL_DEVICE', `model '${name}' version ${version} runs on ${id}, which is not there`, {
      details: { model: name, version, device: id },
    })
  }

  /** A worker that is gone or closing has no session to close: its next process will not open this key again. */
  async #close({ worker }: ServingDevice, key: string): Promise<void> {
    try {
      await worker.call('close', { key }, { timeoutMs: closeLimitMs })
    } catch (error) {
      log.warn({ key, error: errorMessage(error) }, 'session not closed')
    }
  }
}
