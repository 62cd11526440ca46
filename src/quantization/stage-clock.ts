import { monotonicMs } from '../time.js'
import type { QuantizeRequest, Stage } from './contract.js'

export interface StageTime {
  readonly stage: Stage
  readonly seconds: number
}

/** Times the stages one after the other and passes progress on. */
export class StageClock {
  readonly #onProgress: QuantizeRequest['onProgress']
  /** Seconds by stage, in the order of their first beginning. */
  readonly #times = new Map<Stage, number>()
  #stage: Stage | undefined
  #since = 0

  constructor({ onProgress }: Pick<QuantizeRequest, 'onProgress'>) {
    this.#onProgress = onProgress
  }

  /** As `start`, unless it is the stage that runs: for stages that follow each other more than once. */
  at(stage: Stage, share: number, etaS?: number): void {
    if (this.#stage !== stage) this.start(stage)
    this.#onProgress?.(stage, share, etaS)
  }

  /** Ends the stage before and begins this one. */
  start(stage: Stage): void {
    this.#end()
    this.#stage = stage
    this.#since = monotonicMs()
    this.#onProgress?.(stage, 0)
  }

  /** @param share 0..1 of the stage that runs */
  progress(share: number): void {
    if (this.#stage !== undefined) this.#onProgress?.(this.#stage, share)
  }

  stop(): readonly StageTime[] {
    this.#end()
    return [...this.#times].map(([stage, seconds]) => ({ stage, seconds: Math.round(seconds * 1000) / 1000 }))
  }

  #end(): void {
    if (this.#stage === undefined) return
    this.#onProgress?.(this.#stage, 1)
    this.#times.set(this.#stage, (this.#times.get(this.#stage) ?? 0) + (monotonicMs() - this.#since) / 1000)
    this.#stage = undefined
  }
}
