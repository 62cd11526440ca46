import type { Route } from '../models/model.js'

/** Calls remembered of each version. */
const windowSize = 64
/** Nobody is given up earlier, however fast his model. */
const leastMs = 1_000
/** Nor later, unless the model itself takes long. */
const mostMs = 2_000

/**
 * How long a version that something else can stand in for may take to answer, from the median of what its last calls took, which a hang or a compilation among
 * them does not move: 20 times that within 1 and 2 s, and at least 4 times. A version that has not answered yet gets the 2 s.
 */
export class Patience {
  /** By model and version: milliseconds, the oldest overwritten. */
  readonly #calls = new Map<string, { readonly times: number[]; count: number }>()

  add({ model, version }: Pick<Route, 'model' | 'version'>, ms: number): void {
    const key = `${model}@${version}`
    const calls = this.#calls.get(key) ?? { times: [], count: 0 }
    this.#calls.set(key, calls)
    calls.times[calls.count % windowSize] = ms
    calls.count += 1
  }

  limitMs({ model, version }: Pick<Route, 'model' | 'version'>): number {
    const times = this.#calls.get(`${model}@${version}`)?.times
    if (times === undefined) return mostMs
    const sorted = [...times].sort((a, b) => a - b)
    const usual = sorted[Math.floor((sorted.length - 1) / 2)]!
    return Math.max(leastMs, Math.min(mostMs, 20 * usual), 4 * usual)
  }
}
