import { createHash } from 'node:crypto'
import { z } from 'zod'

/** What was measured, without what items answered one by one. */
const Measured = z.strictObject({ values: z.array(z.number()), noise: z.number(), openMs: z.number(), itemsMs: z.number() })
export type Measured = z.infer<typeof Measured>

/**
 * How far an accuracy-aware run has come: every answer of its host so far. The run is a function of these answers, so that a run that is given them takes
 * the same way to the same place without asking again.
 */
export const AwareCheckpoint = z.strictObject({
  version: z.literal(1),
  /** Names float's figures, items, recipes, demands and bounds: answers to another run are worth nothing. */
  identity: z.string(),
  measured: z.record(z.string(), Measured),
  /** Items that layers are ranked on, by variant and metric. */
  subsets: z.record(z.string(), z.array(z.int())),
})
export type AwareCheckpoint = z.infer<typeof AwareCheckpoint>

/** Where a run finds what an earlier one had done, and leaves what it has done. */
export interface Checkpointing {
  /** As it was read back, unchecked; undefined = a first run. */
  readonly found?: unknown
  /** Called after every answer; what it throws ends the run. */
  readonly save: (checkpoint: AwareCheckpoint) => void
}

export const identityOf = (facts: unknown): string => createHash('sha256').update(JSON.stringify(facts)).digest('hex')

/** Answers by question: taken from the checkpoint where it has them, asked and saved otherwise. */
export class Answers {
  readonly #save: Checkpointing['save'] | undefined
  readonly #checkpoint: AwareCheckpoint
  /** Answers that the checkpoint brought along. */
  readonly brought: number

  constructor(identity: string, checkpointing: Checkpointing | undefined) {
    const parsed = AwareCheckpoint.safeParse(checkpointing?.found)
    const usable = parsed.success && parsed.data.identity === identity
    this.#checkpoint = usable ? parsed.data : { version: 1, identity, measured: {}, subsets: {} }
    this.#save = checkpointing?.save
    this.brought = Object.keys(this.#checkpoint.measured).length
  }

  async measured(question: string, ask: () => Promise<Measured>): Promise<Measured> {
    return this.#known(this.#checkpoint.measured, question, ask)
  }

  async subset(question: string, ask: () => Promise<number[]>): Promise<readonly number[]> {
    return this.#known(this.#checkpoint.subsets, question, ask)
  }

  async #known<T>(answers: Record<string, T>, question: string, ask: () => Promise<T>): Promise<T> {
    const known = answers[question]
    if (known !== undefined) return known
    const answer = await ask()
    answers[question] = answer
    this.#save?.(this.#checkpoint)
    return answer
  }
}
