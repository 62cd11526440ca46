import { CaptureSettings } from '../../samples/manifest.js'
import type { Label } from '../../samples/sample.js'
import type { CapturedModel, CaptureRecord } from './capture-record.js'
import { LeastConfident } from './least-confident.js'
import { Reservoir, type ReservoirState } from './reservoir.js'

/** Share of a model's bytes that the least confident answers may take from the reservoir. */
const leastConfidentShare = 0.2

export type Candidate = Omit<CaptureRecord, 'pool' | 'label'>

/** What a decision changes: a sample to write, samples to remove. */
export interface Decision {
  readonly put: CaptureRecord | undefined
  readonly drop: readonly string[]
}

/** Which requests of one model are kept: the rule, in memory and without I/O. Its content is what the index will hold when the writer has caught up. */
export class CapturePool {
  readonly model: string
  settings: CaptureSettings = CaptureSettings.parse({})
  stopped: string | undefined
  dropped = 0
  #configured = false
  #records = new Map<string, CaptureRecord>()
  #byRequest = new Map<string, string>()
  #reservoir: Reservoir
  #least: LeastConfident
  readonly #bytes = { reservoir: 0, 'least-confident': 0 }

  constructor({ model, reservoir, records }: CapturedModel) {
    this.model = model
    this.#reservoir = new Reservoir(reservoir, [])
    this.#least = new LeastConfident(this.settings.least_confident, [])
    this.load(reservoir, records)
  }

  get records(): Iterable<CaptureRecord> {
    return this.#records.values()
  }

  get reservoir(): ReservoirState {
    return this.#reservoir.state
  }

  get figures(): { samples: number; reservoir: number; leastConfident: number; labelled: number; bytes: number } {
    let labelled = 0
    for (const record of this.#records.values()) if (record.label !== undefined) labelled += 1
    return {
      samples: this.#records.size,
      reservoir: this.#reservoir.size,
      leastConfident: this.#least.size,
      labelled,
      bytes: this.#bytes.reservoir + this.#bytes['least-confident'],
    }
  }

  has(id: string): boolean {
    return this.#records.has(id)
  }

  /** Replaces what is in memory by what the index holds. */
  load(reservoir: ReservoirState, records: readonly CaptureRecord[]): void {
    this.#records = new Map(records.map(record => [record.id, record]))
    this.#byRequest = new Map(records.flatMap(({ requestId, id }) => (requestId === undefined ? [] : [[requestId, id]])))
    this.#reservoir = new Reservoir(
      reservoir,
      records.filter(({ pool }) => pool === 'reservoir').map(({ id }) => id),
    )
    this.#least = new LeastConfident(
      this.settings.least_confident,
      records.flatMap(({ pool, id, confidence = 1 }) => (pool === 'least-confident' ? [{ id, confidence }] : [])),
    )
    this.#bytes.reservoir = 0
    this.#bytes['least-confident'] = 0
    for (const { pool, sizeBytes } of records) this.#bytes[pool] += sizeBytes
  }

  /** @returns what no longer has a place */
  configure(settings: CaptureSettings): readonly string[] {
    const changed = settings.max_samples !== this.settings.max_samples || settings.max_mb !== this.settings.max_mb
    // At the first call after a start these are no new settings: a capacity that the byte budget had lowered stays.
    const resized = (this.#configured && changed) || this.#reservoir.state.capacity > settings.max_samples
    this.#configured = true
    this.settings = settings
    const excess = [...(resized ? this.#reservoir.resize(settings.max_samples) : []), ...this.#least.resize(settings.least_confident)]
    for (const id of excess) this.#forget(id)
    return [...excess, ...this.#trim()]
  }

  /** Counts a request and decides on it. */
  admit(candidate: Candidate): Decision {
    if (candidate.sizeBytes > this.#maxBytes) {
      this.stopped = 'budget'
      return { put: undefined, drop: [] }
    }
    if (this.stopped === 'budget') this.stopped = undefined
    const drop: string[] = []
    const left = (id: string | undefined) => {
      if (id === undefined) return
      this.#forget(id)
      drop.push(id)
    }
    const lot = this.#reservoir.consider()
    const { confidence } = candidate
    const pool = lot.keep ? 'reservoir' : 'least-confident'
    if (!lot.keep && (confidence === undefined || !this.#least.wants(confidence))) return { put: undefined, drop }
    const record: CaptureRecord = { ...candidate, pool }
    this.#records.set(record.id, record)
    if (record.requestId !== undefined) this.#byRequest.set(record.requestId, record.id)
    this.#bytes[pool] += record.sizeBytes
    if (lot.keep) {
      left(lot.instead)
      this.#reservoir.place(record.id, lot.instead)
    } else left(this.#least.place(record.id, confidence ?? 1))
    drop.push(...this.#trim())
    // The lot may fall on the newcomer: then it was never there.
    return this.#records.has(record.id) ? { put: record, drop } : { put: undefined, drop: drop.filter(id => id !== record.id) }
  }

  /** Removes what was captured before `beforeMs` of the operating clock. */
  expire(beforeMs: number): readonly string[] {
    const old: string[] = []
    for (const record of this.#records.values()) {
      if (record.operatingMs >= beforeMs) break
      old.push(record.id)
    }
    if (old.length === 0) return old
    this.#reservoir.expire(old)
    for (const id of old) {
      this.#least.remove(id)
      this.#forget(id)
    }
    return old
  }

  /** @returns the sample that now carries the label, or undefined when it is gone */
  label(requestId: string, label: Label): string | undefined {
    const id = this.#byRequest.get(requestId)
    const record = id === undefined ? undefined : this.#records.get(id)
    if (record === undefined) return undefined
    this.#records.set(record.id, { ...record, label })
    return record.id
  }

  /** Forgets everything, also how many requests were seen. */
  clear(): readonly string[] {
    const all = [...this.#records.keys()]
    this.#records.clear()
    this.#byRequest.clear()
    this.#reservoir.clear(this.settings.max_samples)
    this.#least.clear()
    this.#bytes.reservoir = 0
    this.#bytes['least-confident'] = 0
    return all
  }

  get #maxBytes(): number {
    return this.settings.max_mb * 2 ** 20
  }

  /** Brings the bytes back within the budget. */
  #trim(): readonly string[] {
    const out: string[] = []
    while (this.#bytes.reservoir + this.#bytes['least-confident'] > this.#maxBytes) {
      const fromLeast = this.#bytes['least-confident'] > this.#maxBytes * leastConfidentShare || this.#reservoir.size === 0
      const id = fromLeast ? this.#least.shrink() : this.#reservoir.shrink()
      if (id === undefined) break
      this.#forget(id)
      out.push(id)
    }
    return out
  }

  /** Takes `id` out of everything but the two pools, which their own rule keeps right. */
  #forget(id: string): void {
    const record = this.#records.get(id)
    if (record === undefined) return
    this.#records.delete(id)
    if (record.requestId !== undefined && this.#byRequest.get(record.requestId) === id) this.#byRequest.delete(record.requestId)
    this.#bytes[record.pool] -= record.sizeBytes
  }
}
