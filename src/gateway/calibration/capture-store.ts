import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { logger } from '../../log.js'
import type { CaptureSettings } from '../../samples/manifest.js'
import type { EncodedRequest } from '../../samples/request.js'
import type { Label } from '../../samples/sample.js'
import { type Clock, systemClock } from '../../time.js'
import type { Capture, CapturedSample, CaptureEvent, CaptureState } from './capture.js'
import { CapturePool, type Decision } from './capture-pool.js'
import { WriterThread } from './writer-thread.js'

const log = logger('gateway/calibration')

/** Requests that may wait for the writer thread; what comes on top is dropped and counted. */
const queueLimit = { count: 256, bytes: 64 * 2 ** 20 }
/** Requests considered but not kept after which the count reaches the index. */
const seenStep = 64
/** Wait before a full disk is tried again. */
const retryMs = 5_000

export interface CaptureStoreOptions {
  readonly stateFolder: string
  /** Bytes of the disk that capture leaves free. */
  readonly reserveBytes: number
  readonly clock?: Clock
}

/**
 * `Capture` over files `captures/<model>/<id>` and the index `captures.db`, both written by one thread. Decisions are made here, in memory; what the
 * thread could not write is read back from the index, so that memory and disk agree again.
 *
 * Age counts on the operating clock, the time that the daemon has run in all: gateways start in 1970 and jump, and a jump must not delete samples.
 */
export class CaptureStore implements Capture {
  readonly #stateFolder: string
  readonly #clock: Clock
  readonly #writer: WriterThread
  readonly #pools = new Map<string, CapturePool>()
  readonly #listeners = new Set<(event: CaptureEvent) => void>()
  /** Files that a job reads, with how many snapshots hold them. */
  readonly #held = new Map<string, number>()
  readonly #retryAt = new Map<CapturePool, number>()
  /** Pools whose content is being read back from the index: nothing is decided meanwhile. */
  readonly #reading = new Set<CapturePool>()
  readonly #unsaved = new Map<CapturePool, number>()
  #reserveBytes: number
  #operatingBase = 0
  #sequence = 0

  private constructor({ stateFolder, reserveBytes, clock = systemClock }: CaptureStoreOptions) {
    this.#stateFolder = stateFolder
    this.#reserveBytes = reserveBytes
    this.#clock = clock
    this.#writer = new WriterThread(stateFolder)
  }

  /** @throws ERR_CAPTURE_WRITER when the index can neither be read nor made anew */
  static async open(options: CaptureStoreOptions): Promise<CaptureStore> {
    const store = new CaptureStore(options)
    try {
      const opened = await store.#writer.require({ kind: 'open' }, 'opened')
      store.#operatingBase = opened.operatingMs - store.#clock.now()
      store.#sequence = opened.lastId === undefined ? 0 : Number.parseInt(opened.lastId, 36) + 1
      for (const captured of opened.models) store.#pools.set(captured.model, new CapturePool(captured))
      return store
    } catch (error) {
      await store.#writer.close()
      throw error
    }
  }

  setReserve(reserveBytes: number): void {
    this.#reserveBytes = reserveBytes
  }

  async configure(model: string, settings: CaptureSettings): Promise<void> {
    const drop = [...this.#pool(model, settings).configure(settings), ...this.#expired(this.#pool(model, settings))]
    if (drop.length > 0) await this.#drop(this.#pool(model, settings), drop)
  }

  offer(model: string, request: EncodedRequest & { readonly id?: string }, { confidence }: { readonly confidence?: number }): void {
    const pool = this.#pools.get(model)
    if (pool === undefined || pool.settings.mode === 'off') return
    if (!this.#mayWrite(pool)) {
      pool.dropped += 1
      return
    }
    const expired = this.#expired(pool)
    const wasStopped = pool.stopped
    const decision = pool.admit({
      id: this.#nextId(),
      ...(request.id === undefined ? {} : { requestId: request.id }),
      contentType: request.contentType,
      ...(request.jsonLength === undefined ? {} : { jsonLength: request.jsonLength }),
      sizeBytes: request.body.byteLength,
      ...(confidence === undefined ? {} : { confidence }),
      operatingMs: this.#operatingMs(),
    })
    if (pool.stopped !== wasStopped && pool.stopped !== undefined) this.#announceStop(pool, pool.stopped)
    this.#write(pool, { put: decision.put, drop: [...expired, ...decision.drop] }, request.body)
  }

  async label(model: string, id: string, label: Label): Promise<boolean> {
    const sample = this.#pools.get(model)?.label(id, label)
    if (sample === undefined) return false
    const response = await this.#writer.ask({ kind: 'label', model, id: sample, label })
    return response.kind === 'done'
  }

  state(model: string): CaptureState {
    const pool = this.#pools.get(model)
    if (pool === undefined) {
      return {
        model,
        mode: 'off',
        stopped: undefined,
        samples: 0,
        reservoir: 0,
        leastConfident: 0,
        labelled: 0,
        bytes: 0,
        seen: 0,
        dropped: 0,
      }
    }
    return { model, mode: pool.settings.mode, stopped: pool.stopped, ...pool.figures, seen: pool.reservoir.seen, dropped: pool.dropped }
  }

  async snapshot(model: string): Promise<{ readonly samples: readonly CapturedSample[]; release(): Promise<void> }> {
    await this.flush()
    const pool = this.#pools.get(model)
    if (pool === undefined) return { samples: [], release: async () => {} }
    const expired = this.#expired(pool)
    if (expired.length > 0) await this.#drop(pool, expired)
    const samples = [...pool.records].map(
      ({ id, contentType, jsonLength, pool: kind, label }): CapturedSample => ({
        id,
        path: join(this.#stateFolder, 'captures', model, id),
        contentType,
        ...(jsonLength === undefined ? {} : { jsonLength }),
        pool: kind,
        ...(label === undefined ? {} : { label }),
      }),
    )
    const keys = samples.map(({ id }) => `${model}/${id}`)
    for (const key of keys) this.#held.set(key, (this.#held.get(key) ?? 0) + 1)
    let released = false
    return {
      samples,
      release: async () => {
        if (released) return
        released = true
        await this.#release(pool, samples)
      },
    }
  }

  async erase(model: string): Promise<number> {
    const pool = this.#pools.get(model)
    if (pool === undefined) return 0
    const drop = pool.clear()
    await this.#drop(pool, drop)
    return drop.length
  }

  on(listener: (event: CaptureEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async flush(): Promise<void> {
    for (const pool of this.#unsaved.keys()) this.#saveSeen(pool)
    do await this.#writer.ask({ kind: 'tick', operatingMs: this.#operatingMs() })
    while (this.#reading.size > 0)
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    await this.flush()
    await this.#writer.close()
  }

  #pool(model: string, { max_samples }: { readonly max_samples: number }): CapturePool {
    let pool = this.#pools.get(model)
    if (pool === undefined) {
      pool = new CapturePool({ model, reservoir: { seed: randomInt(2 ** 31), seen: 0, capacity: max_samples }, records: [] })
      this.#pools.set(model, pool)
    }
    return pool
  }

  #operatingMs(): number {
    return Math.round(this.#operatingBase + this.#clock.now())
  }

  #nextId(): string {
    this.#sequence += 1
    return this.#sequence.toString(36).padStart(10, '0')
  }

  #expired(pool: CapturePool): readonly string[] {
    return pool.expire(this.#operatingMs() - pool.settings.max_age_h * 3_600_000)
  }

  /** False while the queue is full, and while a full disk waits for its next trial. */
  #mayWrite(pool: CapturePool): boolean {
    const { count, bytes } = this.#writer.waiting
    if (count >= queueLimit.count || bytes >= queueLimit.bytes) return false
    if (this.#reading.has(pool)) return false
    const retryAt = this.#retryAt.get(pool)
    if (retryAt === undefined) return true
    if (this.#clock.now() < retryAt) return false
    // One trial at a time: its answer sets the next date or clears it.
    this.#retryAt.set(pool, Number.POSITIVE_INFINITY)
    return true
  }

  #write(pool: CapturePool, { put, drop }: Decision, body: Uint8Array): void {
    const unlink = this.#unheld(pool.model, drop)
    if (put !== undefined) {
      this.#unsaved.delete(pool)
      // The body is a view over a packet that others still read; the copy is handed to the thread.
      const request = {
        kind: 'put',
        model: pool.model,
        record: put,
        body: new Uint8Array(body),
        drop,
        unlink,
        reservoir: pool.reservoir,
        reserveBytes: this.#reserveBytes,
      } as const
      void this.#writer.ask(request).then(response => this.#written(pool, response))
      return
    }
    if (drop.length > 0) void this.#drop(pool, drop)
    else this.#countUnsaved(pool)
    // A trial that the lot did not keep tells nothing about the disk: the next request is the trial.
    if (this.#retryAt.has(pool)) this.#retryAt.set(pool, this.#clock.now())
  }

  #countUnsaved(pool: CapturePool): void {
    const count = (this.#unsaved.get(pool) ?? 0) + 1
    this.#unsaved.set(pool, count)
    if (count >= seenStep) this.#saveSeen(pool)
  }

  #saveSeen(pool: CapturePool): void {
    this.#unsaved.delete(pool)
    void this.#writer.ask({ kind: 'drop', model: pool.model, drop: [], unlink: [], reservoir: pool.reservoir })
  }

  async #drop(pool: CapturePool, drop: readonly string[]): Promise<void> {
    const { model, reservoir } = pool
    const response = await this.#writer.ask({ kind: 'drop', model, drop, unlink: this.#unheld(model, drop), reservoir })
    if (response.kind === 'failed') await this.#written(pool, response)
  }

  #unheld(model: string, ids: readonly string[]): readonly string[] {
    return ids.filter(id => !this.#held.has(`${model}/${id}`))
  }

  /** What the writer said to a change: after a failure capture stops, and memory becomes what the index holds. */
  async #written(pool: CapturePool, response: { readonly kind: string; readonly reason?: string }): Promise<void> {
    if (response.kind !== 'failed') {
      if (this.#reading.has(pool) || !this.#retryAt.delete(pool) || pool.stopped === undefined) return
      pool.stopped = undefined
      log.info({ model: pool.model }, 'capture goes on')
      for (const listener of this.#listeners) listener({ kind: 'resumed', model: pool.model })
      return
    }
    const reason = response.reason ?? 'unknown'
    const first = pool.stopped !== reason
    pool.stopped = reason
    pool.dropped += 1
    if (first) this.#announceStop(pool, reason)
    if (this.#reading.has(pool)) return
    this.#reading.add(pool)
    const seen = pool.reservoir
    const answer = await this.#writer.ask({ kind: 'read', model: pool.model })
    if (answer.kind === 'records') {
      const capacity = pool.settings.max_samples
      pool.load(answer.captured?.reservoir ?? { ...seen, seen: 0, capacity }, answer.captured?.records ?? [])
    }
    this.#reading.delete(pool)
    this.#retryAt.set(pool, this.#clock.now() + retryMs)
  }

  #announceStop(pool: CapturePool, reason: string): void {
    log.warn({ model: pool.model, reason }, 'capture stands still')
    for (const listener of this.#listeners) listener({ kind: 'stopped', model: pool.model, reason })
  }

  async #release(pool: CapturePool, samples: readonly CapturedSample[]): Promise<void> {
    const gone: string[] = []
    for (const { id } of samples) {
      const key = `${pool.model}/${id}`
      const holders = (this.#held.get(key) ?? 1) - 1
      if (holders > 0) this.#held.set(key, holders)
      else {
        this.#held.delete(key)
        if (!pool.has(id)) gone.push(id)
      }
    }
    if (gone.length > 0) await this.#writer.ask({ kind: 'unlink', model: pool.model, unlink: gone })
  }
}
