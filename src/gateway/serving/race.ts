import type { InferOutcome } from './serving.js'

/**
 * The way of one request to its one outcome. It is asked of one device, and of a stand-in as well once that is silent: the first answer is the outcome, anything
 * else only when nobody is asked any more.
 */
export class Race {
  readonly #done: (outcome: InferOutcome) => void
  #asked = 1
  #over = false

  constructor(done: (outcome: InferOutcome) => void) {
    this.#done = done
  }

  get isOver(): boolean {
    return this.#over
  }

  /** How many are asked now. */
  get asked(): number {
    return this.#asked
  }

  /** One more is asked. */
  join(): void {
    this.#asked += 1
  }

  /** What one of those asked made of it. */
  settle(outcome: InferOutcome): void {
    this.#asked -= 1
    if (this.#over || (outcome.kind !== 'answer' && this.#asked > 0)) return
    this.#over = true
    this.#done(outcome)
  }
}
