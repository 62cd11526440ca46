import { monotonicMs } from '../time.js'
import type { Part, QuantizeRequest, Stage } from './contract.js'

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

  /** @param part which device's stages these are, where there are several */
  constructor({ onProgress }: Pick<QuantizeRequest, 'onProgress'>, part?: Part) {
    this.#onProgress = part === undefined ? onProgress : (stage, progress, etaS) => onProgress?.(stage, progress, etaS, part)
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

  /** Ends the stage before; the time of `work` counts as that of `stage`, whose progress is told by others. */
  async quietly<T>(stage: Stage, work: () => Promise<T>): Promise<T> {
    this.#end()
    const since = monotonicMs()
    const result = await work()
    this.#times.set(stage, (this.#times.get(stage) ?? 0) + (monotonicMs() - since) / 1000)
    return result
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
