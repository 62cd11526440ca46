import type { Clock } from '../../time.js'
import type { JobUpdate } from './job-kind.js'

/** mqtt-contract.md 4e: a job changes in public at most once a second, its end aside. */
const updateEveryMs = 1_000
/** Share of the work after which what is left can be told from what is done. */
const etaFrom = 0.05

/** An update with the seconds that the rest may take, from the share that is done. */
export interface TimedUpdate extends Omit<JobUpdate, 'etaS'> {
  readonly etaS: number | undefined
}

/** Lets one update through per interval: the first at once, the last of each interval at its end. */
export class UpdateLimiter {
  readonly #clock: Clock
  readonly #emit: (update: TimedUpdate) => void
  readonly #startedAt: number
  readonly #stopping = new AbortController()
  #emittedAt = Number.NEGATIVE_INFINITY
  #waiting: JobUpdate | undefined

  constructor(clock: Clock, emit: (update: TimedUpdate) => void) {
    this.#clock = clock
    this.#emit = emit
    this.#startedAt = clock.now()
  }

  push(update: JobUpdate): void {
    if (this.#stopping.signal.aborted) return
    const waits = this.#waiting !== undefined
    this.#waiting = update
    const inMs = this.#emittedAt + updateEveryMs - this.#clock.now()
    if (inMs <= 0) this.#flush()
    else if (!waits) this.#flushIn(inMs)
  }

  #flushIn(waitMs: number): void {
    this.#clock.sleep(waitMs, this.#stopping.signal).then(
      () => this.#flush(),
      () => {},
    )
  }

  stop(): void {
    this.#stopping.abort()
  }

  #flush(): void {
    const update = this.#waiting
    if (update === undefined) return
    this.#waiting = undefined
    this.#emittedAt = this.#clock.now()
    const elapsedS = (this.#clock.now() - this.#startedAt) / 1000
    const byShare = update.progress < etaFrom ? undefined : (elapsedS / update.progress) * (1 - update.progress)
    this.#emit({ ...update, etaS: update.etaS ?? byShare })
  }
}
