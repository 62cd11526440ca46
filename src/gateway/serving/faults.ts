import type { DeviceHealth } from '../models/device-health.js'
import type { Route } from '../models/model.js'

/** Requests in a row that an engine fails on and the stand-in answers, after which the version is taken away. */
const mostInARow = 3

/** Counts what engines fail on: a request that is itself at fault fails on the stand-in, too, and never gets here. */
export class Faults {
  readonly #health: DeviceHealth
  readonly #counts = new Map<string, number>()

  constructor(health: DeviceHealth) {
    this.#health = health
  }

  /** The engine of `route` failed on a request that was then answered elsewhere. */
  add(route: Route, why: string): void {
    // An opening of its own: what failed in the one before is settled.
    const count = (this.#counts.get(route.key) ?? 0) + 1
    if (count < mostInARow) {
      this.#counts.set(route.key, count)
      return
    }
    this.#counts.delete(route.key)
    this.#health.dismiss(route, why)
  }

  answered({ key }: Route): void {
    if (this.#counts.size > 0) this.#counts.delete(key)
  }
}
