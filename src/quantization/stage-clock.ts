import { monotonicMs } from '../time.js'
import type { QuantizeRequest, Stage } from './contract.js'

export interface StageTime {
  readonly stage: Stage
  readonly seconds: number
}

/** Times the stages one after the other and passes progress on. */
export class StageClock {
  readonly #onProgress: QuantizeRequest['onProgress']
  readonly #times: StageTime[] = []
  #stage: Stage | undefined
  #since = 0

  constructor({ onProgress }: Pick<QuantizeRequest, 'onProgress'>) {
    this.#onProgress = onProgress
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
    return this.#times
  }

  #end(): void {
    if (this.#stage === undefined) return
    this.#onProgress?.(this.#stage, 1)
    this.#times.push({ stage: this.#stage, seconds: Math.round(monotonicMs() - this.#since) / 1000 })
    this.#stage = undefined
  }
}
