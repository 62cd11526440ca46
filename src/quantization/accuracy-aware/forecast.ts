/**
 * What is left of a plan, by how long the part that was done really took: a machine that others use as well is slower than it was when the plan was made.
 * Milliseconds.
 */
export class Forecast {
  readonly #plannedMs: number
  #doneMs = 0
  #measuredMs = 0
  #tookMs = 0

  constructor(plannedMs: number) {
    this.#plannedMs = plannedMs
  }

  /** @param tookMs undefined = it was known from before and took no time, which tells nothing of the rest */
  done(plannedMs: number, tookMs: number | undefined): void {
    this.#doneMs += plannedMs
    if (tookMs === undefined) return
    this.#measuredMs += plannedMs
    this.#tookMs += tookMs
  }

  /** 0 when all that was planned is done: what comes after was not foreseen. */
  get leftMs(): number {
    const pace = this.#measuredMs === 0 ? 1 : this.#tookMs / this.#measuredMs
    return Math.max(0, this.#plannedMs - this.#doneMs) * pace
  }
}
