/** What a reservoir remembers across restarts. `seen` counts the requests that its content stands for. */
export interface ReservoirState {
  readonly seed: number
  readonly seen: number
  readonly capacity: number
}

/**
 * Uniform sample of a stream (Algorithm R: Vitter, Random Sampling with a Reservoir, 1985): after n requests each of them is kept with probability
 * capacity / n. The lot of request n depends on seed and n alone, so a restart goes on as if there had been none.
 *
 * Items that grow too old leave, and `seen` shrinks in proportion: what is left is a uniform sample of that many younger requests, and the places that
 * became free are filled first, at the rate at which any new request is kept.
 */
export class Reservoir {
  #state: ReservoirState
  /** Ids, in no order: the item that makes room is drawn, so places have no meaning. */
  readonly #items: string[]

  constructor(state: ReservoirState, items: Iterable<string>) {
    this.#state = state
    this.#items = [...items]
  }

  get state(): ReservoirState {
    return this.#state
  }

  get size(): number {
    return this.#items.length
  }

  /** Counts one request and says whether it is kept, and in whose place. Follow with `place`. */
  consider(): { readonly keep: false } | { readonly keep: true; readonly instead: string | undefined } {
    const seen = this.#state.seen + 1
    this.#state = { ...this.#state, seen }
    const lot = Math.floor(draw(this.#state.seed, seen) * seen)
    if (lot >= this.#state.capacity) return { keep: false }
    return { keep: true, instead: this.#items.length < this.#state.capacity ? undefined : this.#items[lot % this.#items.length] }
  }

  place(id: string, instead: string | undefined): void {
    if (instead === undefined) this.#items.push(id)
    else this.#items[this.#items.indexOf(instead)] = id
  }

  /** Items that left for their age. */
  expire(ids: readonly string[]): void {
    const before = this.#items.length
    this.#remove(ids)
    if (before > 0) this.#state = { ...this.#state, seen: Math.round((this.#state.seen * this.#items.length) / before) }
  }

  /** Gives up one item by lot, and its place: what stays is a smaller uniform sample of the same requests. */
  shrink(): string | undefined {
    const { seed, seen } = this.#state
    const id = this.#items[Math.floor(draw(seed ^ 0x5bd1e995, seen + this.#items.length) * this.#items.length)]
    if (id === undefined) return undefined
    this.#remove([id])
    this.#state = { ...this.#state, capacity: Math.max(1, this.#items.length) }
    return id
  }

  /** A new size. A larger one fills up with what comes. @returns what no longer has a place */
  resize(capacity: number): readonly string[] {
    const excess: string[] = []
    while (this.#items.length > capacity) excess.push(this.shrink()!)
    this.#state = { ...this.#state, capacity }
    return excess
  }

  clear(capacity: number): void {
    this.#items.length = 0
    this.#state = { ...this.#state, seen: 0, capacity }
  }

  #remove(ids: readonly string[]): void {
    for (const id of ids) {
      const place = this.#items.indexOf(id)
      if (place < 0) continue
      const last = this.#items.pop()!
      if (place < this.#items.length) this.#items[place] = last
    }
  }
}

/** The number in [0, 1) that belongs to `count` under `seed`: two rounds of the finalizer of MurmurHash3 (32 bits). */
export function draw(seed: number, count: number): number {
  return mix(mix(count ^ Math.imul(Math.floor(count / 2 ** 32), 0x9e3779b1)) ^ seed) / 2 ** 32
}

function mix(value: number): number {
  let hash = value | 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
