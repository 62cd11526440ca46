/** Answers remembered for the quantiles. */
const windowSize = 1024
/** Seconds over which the rate is taken. */
const rateSeconds = 10

/** Latency quantiles over the last answers and the rate over the last seconds, in a fixed number of bytes. */
export class LatencyWindow {
  readonly #times = new Float64Array(windowSize)
  readonly #counts = new Uint32Array(rateSeconds)
  readonly #seconds = new Float64Array(rateSeconds).fill(-1)
  #count = 0

  /** @param now monotonic milliseconds */
  add(latencyMs: number, now: number): void {
    this.#times[this.#count % windowSize] = latencyMs
    this.#count += 1
    const second = Math.floor(now / 1000)
    const slot = second % rateSeconds
    if (this.#seconds[slot] !== second) {
      this.#seconds[slot] = second
      this.#counts[slot] = 0
    }
    this.#counts[slot]! += 1
  }

  /** By nearest rank; 0 without answers. */
  quantiles(): { readonly p50Ms: number; readonly p99Ms: number } {
    const sorted = this.#times.slice(0, Math.min(this.#count, windowSize)).sort()
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
    return { p50Ms: at(0.5), p99Ms: at(0.99) }
  }

  /** Answers per second over the last full seconds. */
  rate(now: number): number {
    const second = Math.floor(now / 1000)
    let sum = 0
    for (let slot = 0; slot < rateSeconds; slot += 1) {
      const age = second - this.#seconds[slot]!
      if (age >= 1 && age < rateSeconds) sum += this.#counts[slot]!
    }
    return sum / (rateSeconds - 1)
  }
}
