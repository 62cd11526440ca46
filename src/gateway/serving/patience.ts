import type { Route } from '../models/model.js'

/** Calls remembered of each version. */
const windowSize = 64
/** Share of them that took at most what counts as usual: the others met a compilation, or a busy host. */
const usualShare = 0.9
/** Nobody is given up earlier, however fast his model. */
const leastMs = 1_000
/** Nor later, unless the model itself takes long. */
const mostMs = 2_000

/**
 * How long a version that something else can stand in for may take to answer, from what its last calls took: 20 times the usual within 1 and 2 s, and at least
 * 3 times the usual. A version that has not answered yet gets the most.
 */
export class Patience {
  /** By model and version: milliseconds, the oldest overwritten. */
  readonly #calls = new Map<string, { readonly times: number[]; count: number }>()

  add({ model, version }: Route, ms: number): void {
    const key = `${model}@${version}`
    const calls = this.#calls.get(key) ?? { times: [], count: 0 }
    this.#calls.set(key, calls)
    calls.times[calls.count % windowSize] = ms
    calls.count += 1
  }

  limitMs({ model, version }: Route): number {
    const times = this.#calls.get(`${model}@${version}`)?.times
    if (times === undefined) return mostMs
    const sorted = [...times].sort((a, b) => a - b)
    const usual = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * usualShare))]!
    return Math.max(leastMs, Math.min(mostMs, 20 * usual), 3 * usual)
  }
}
