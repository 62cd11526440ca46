import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Tensor } from '../../graph/tensor/tensor.js'
import { logger } from '../../log.js'
import type { Session } from '../engine.js'
import { batchOf, canShare, isBatchable, joinBatches, splitBatches } from './batching.js'

const log = logger('engines/worker')

type Tensors = Readonly<Record<string, Tensor>>

export interface Inference {
  readonly outputs: Tensors
  /** Of the whole inference, also when several requests shared it. */
  readonly inferUs: number
  /** Requests that shared it. */
  readonly batched: number
}

interface Waiting {
  readonly feeds: Tensors
  readonly wanted: readonly string[]
  readonly batch: number
  resolve(inference: Inference): void
  reject(reason: unknown): void
}

/**
 * As many inferences at a time on one session as it runs side by side, first come first served. With `maxBatch` above 1 and a free batch axis, what waits
 * behind a request and fits it shares its inference. Nothing ever waits for company: a request alone is run alone.
 */
export class InferenceQueue {
  readonly #session: Session
  readonly #waiting: (Waiting | (() => Promise<void>))[] = []
  readonly #parallel: number
  /** Inferences, or exclusive work, that run. */
  readonly #running = new Set<Promise<void>>()
  #maxBatch: number
  #draining = false

  constructor(session: Session, maxBatch: number) {
    this.#session = session
    this.#parallel = session.parallel ?? 1
    this.#maxBatch = isBatchable(session) ? maxBatch : 1
  }

  get length(): number {
    return this.#waiting.length + this.#running.size
  }

  /** @throws what the session throws; a request whose companions are at fault is run again alone */
  infer(feeds: Tensors, wanted: readonly string[]): Promise<Inference> {
    return new Promise((resolve, reject) => this.#push({ feeds, wanted, batch: batchOf(feeds) ?? 0, resolve, reject }))
  }

  /** Runs `work` while no inference of this session runs. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => this.#push(() => work().then(resolve, reject)))
  }

  #push(item: Waiting | (() => Promise<void>)): void {
    this.#waiting.push(item)
    if (!this.#draining) void this.#drain()
  }

  async #drain(): Promise<void> {
    this.#draining = true
    while (this.#waiting.length > 0) {
      const room = typeof this.#waiting[0] === 'function' ? 1 : this.#parallel
      if (this.#running.size >= room) {
        await Promise.race(this.#running)
        continue
      }
      // A turn of the event loop lets in what arrived during the last inference.
      if (this.#maxBatch > 1) await nextTurn()
      const next = this.#waiting.shift()!
      if (typeof next === 'function') await this.#track(next())
      else void this.#track(this.#run([next, ...this.#companions(next)]))
    }
    this.#draining = false
  }

  /** Counts `work`, which does not reject, as running until it ends. */
  #track(work: Promise<void>): Promise<void> {
    const tracked = work.then(() => void this.#running.delete(tracked))
    this.#running.add(tracked)
    return tracked
  }

  #companions(first: Waiting): Waiting[] {
    const companions: Waiting[] = []
    if (this.#maxBatch === 1 || first.batch === 0) return companions
    let room = this.#maxBatch - first.batch
    for (let at = 0; at < this.#waiting.length && room > 0; ) {
      const item = this.#waiting[at]!
      if (typeof item === 'function') break
      if (item.batch > 0 && item.batch <= room && canShare(first.feeds, item.feeds)) {
        companions.push(item)
        this.#waiting.splice(at, 1)
        room -= item.batch
      } else at += 1
    }
    return companions
  }

  async #run(group: readonly Waiting[]): Promise<void> {
    try {
      const wanted = [...new Set(group.flatMap(item => item.wanted))]
      const feeds = joinBatches(group.map(item => item.feeds))
      const start = performance.now()
      const outputs = await this.#session.infer(feeds, wanted)
      const inferUs = Math.round((performance.now() - start) * 1000)
      const parts =
        group.length === 1
          ? [outputs]
          : splitBatches(
              outputs,
              group.map(item => item.batch),
            )
      if (parts === undefined) return await this.#runApart(group)
      for (const [i, { resolve }] of group.entries()) resolve({ outputs: parts[i]!, inferUs, batched: group.length })
    } catch (error) {
      const [only] = group
      if (group.length === 1) return only!.reject(error)
      for (const item of group) await this.#run([item])
    }
  }

  /** A model whose outputs do not follow its batch axis, whatever its shapes say: it is not batched any more. */
  async #runApart(group: readonly Waiting[]): Promise<void> {
    log.warn(
      { outputs: this.#session.outputs.map(output => output.name) },
      'outputs do not follow the batch axis: batching is off for this model',
    )
    this.#maxBatch = 1
    for (const item of group) await this.#run([item])
  }
}
