import { randomUUID } from 'node:crypto'
import type { DeviceWorker } from '../../engines/worker/device-worker.js'
import type { DeviceWorkerCalls } from '../../engines/worker/protocol.js'
import { errorMessage } from '../../errors.js'
import { logger } from '../../log.js'
import type { EncodedRequest, EncodedResponse } from '../../samples/request.js'
import { LiveSession } from './live-session.js'
import type { StoredModel, StoredVersion } from './stored-model.js'

const log = logger('gateway/models')

/** Loading a large model on a slow disk, warm-up included. */
const openLimitMs = 120_000
const inferLimitMs = 60_000
const closeLimitMs = 30_000

/** The versions of one model that are open in the device worker. Who opens and drops holds the model's mutex; holding a session needs none. */
export class ModelSessions {
  readonly #worker: DeviceWorker
  readonly #threads: number
  readonly #open = new Map<string, LiveSession>()
  readonly #closing = new Set<Promise<void>>()

  constructor({ worker, threads }: { readonly worker: DeviceWorker; readonly threads: number }) {
    this.#worker = worker
    this.#threads = threads
  }

  get(version: string): LiveSession | undefined {
    return this.#open.get(version)
  }

  get versions(): readonly string[] {
    return [...this.#open.keys()].sort((a, b) => Number(a) - Number(b))
  }

  /** @param path of the version's model file, checked. @throws ERR_ENGINE_OPEN, ERR_WORKER_*, ERR_TIMEOUT */
  async open(
    { name, manifest }: StoredModel,
    { version, engine }: StoredVersion,
    path: string,
  ): Promise<{ readonly session: LiveSession; readonly facts: DeviceWorkerCalls['open']['response'] }> {
    const key = `${name}@${version}#${randomUUID().slice(0, 8)}`
    const { meta: facts } = await this.#worker.call(
      'open',
      { key, engine, artifact: path, manifest, modelName: name, version, threads: this.#threads },
      { timeoutMs: openLimitMs },
    )
    const session = new LiveSession({ version, key, close: () => this.#close(key) })
    this.#open.set(version, session)
    log.info({ model: name, version, loadMs: facts.loadMs, rssMiB: facts.rssMiB }, 'version opened')
    return { session, facts }
  }

  /** What a version answers to a request, as a caller would see it. */
  async answer({ key }: LiveSession, { contentType, jsonLength, body }: EncodedRequest): Promise<EncodedResponse> {
    const request = { key, contentType, ...(jsonLength === undefined ? {} : { jsonLength }) }
    const { meta, body: answer } = await this.#worker.call('infer', request, { body, timeoutMs: inferLimitMs })
    return { contentType: meta.contentType, ...(meta.jsonLength === undefined ? {} : { jsonLength: meta.jsonLength }), body: answer }
  }

  /** Takes every version but `kept` out of reach; each is closed after its last request. Resolves when all are. */
  async keepOnly(...kept: readonly (string | undefined)[]): Promise<void> {
    const leaving = [...this.#open.values()].filter(({ version }) => !kept.includes(version))
    for (const { version } of leaving) this.#open.delete(version)
    const closing = Promise.all(leaving.map(session => session.retire())).then(() => {})
    this.#closing.add(closing)
    await closing.finally(() => this.#closing.delete(closing))
  }

  /** Forgets what is not among `keys`, the ones that the worker has open. @returns the versions that are lost */
  forgetAllBut(keys: readonly string[]): readonly string[] {
    const lost = [...this.#open.values()].filter(({ key }) => !keys.includes(key))
    for (const { version } of lost) this.#open.delete(version)
    return lost.map(({ version }) => version)
  }

  /** Resolves when nothing is being closed any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#closing)
  }

  /** A worker that is gone or closing has no session to close: its next process will not open this key again. */
  async #close(key: string): Promise<void> {
    try {
      await this.#worker.call('close', { key }, { timeoutMs: closeLimitMs })
    } catch (error) {
      log.warn({ key, error: errorMessage(error) }, 'session not closed')
    }
  }
}
