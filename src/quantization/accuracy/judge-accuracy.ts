import type { Session } from '../../engines/engine.js'
import { QuantdError } from '../../errors.js'
import type { SampleSource } from '../../samples/sample.js'
import type { Judgement } from '../report/report.js'
import type { Judging } from './choose-metric.js'
import { type Demands, Tally } from './tally.js'

export interface JudgeOptions {
  readonly float: Session
  readonly int8: Session
  /** Held out: never calibrated on. */
  readonly samples: SampleSource
  readonly judging: Judging
  readonly settings: Demands
  readonly onProgress?: (share: number) => void
  readonly signal?: AbortSignal
}

/** One of several models that are held to the same answers of float. */
export interface JudgedModel {
  readonly session: Session
  /** What sentences call it. Default: what the settings say. */
  readonly subject?: string
}

export interface JudgeAllOptions extends Omit<JudgeOptions, 'int8'> {
  readonly models: readonly JudgedModel[]
}

/** What one of several came to; one that failed leaves the others to it. */
export type JudgeOutcome = { readonly kind: 'judged'; readonly judgement: Judgement } | { readonly kind: 'failed'; readonly error: unknown }

/**
 * int8 against float on the held-out items: by the task's metric where there are labels, else by agreement with float. Fewer than 100 items leave it
 * `unjudged`: prepared, not to be activated.
 * @throws ERR_QUANT_METRIC, ERR_QUANT_METRIC_MODULE, ERR_QUANT_OUTPUT, ERR_ABORTED, what the sessions throw
 */
export async function judgeAccuracy({ int8, ...options }: JudgeOptions): Promise<Judgement> {
  const [outcome] = await judgeAll({ ...options, models: [{ session: int8 }] })
  if (outcome!.kind === 'failed') throw outcome!.error
  return outcome!.judgement
}

/**
 * Several models against float as `judgeAccuracy` judges one, in one run over the items: each is read once, answered by float once and by every model once, and
 * nothing of it is kept.
 * @throws ERR_QUANT_OUTPUT, ERR_ABORTED, what float and the samples throw
 */
export async function judgeAll(options: JudgeAllOptions): Promise<readonly JudgeOutcome[]> {
  const { float, models, samples, judging, settings, onProgress, signal } = options
  const output = judgedOutput(float, judging)
  const judged = models.map(
    ({ session, subject }) => new Judged(session, new Tally(judging, subject === undefined ? settings : { ...settings, subject })),
  )
  for (let index = 0; index < samples.count && judged.some(({ isWell }) => isWell); index += 1) {
    if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'judging aborted', { cause: signal.reason })
    const { inputs, label } = await samples.read(index)
    const wanted = (await float.infer(inputs, [output]))[output]!
    for (const one of judged) {
      await one.take(async (session, tally) => {
        tally.add({ float: wanted, int8: (await session.infer(inputs, [output]))[output]!, label })
      })
    }
    if (index % 8 === 0) onProgress?.(index / samples.count)
  }
  return judged.map(one => one.outcome())
}

/** One model with its tally, until it fails. */
class Judged {
  readonly #session: Session
  readonly #tally: Tally
  #failed: { readonly error: unknown } | undefined

  constructor(session: Session, tally: Tally) {
    this.#session = session
    this.#tally = tally
  }

  get isWell(): boolean {
    return this.#failed === undefined
  }

  /** What goes wrong is its own: the others are judged on. */
  async take(item: (session: Session, tally: Tally) => Promise<void>): Promise<void> {
    if (!this.isWell) return
    try {
      await item(this.#session, this.#tally)
    } catch (error) {
      this.#failed = { error }
    }
  }

  outcome(): JudgeOutcome {
    if (this.#failed !== undefined) return { kind: 'failed', error: this.#failed.error }
    return { kind: 'judged', judgement: this.#tally.judgement() }
  }
}

/** Name of the output that is judged. @throws ERR_QUANT_OUTPUT */
export function judgedOutput({ outputs }: Pick<Session, 'outputs'>, { output }: Judging): string {
  if (output === undefined) return outputs[0]!.name
  if (outputs.some(({ name }) => name === output)) return output
  throw new QuantdError('ERR_QUANT_OUTPUT', `output '${output}' is none of ${outputs.map(({ name }) => `'${name}'`).join(', ')}`)
}
