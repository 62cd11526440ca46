import type { Session } from '../engines/engine.js'
import { QuantdError } from '../errors.js'
import type { Tensor } from '../graph/tensor/tensor.js'
import type { SampleSource } from '../samples/sample.js'
import type { Judging } from './accuracy/choose-metric.js'
import { type Demands, Tally } from './accuracy/tally.js'
import type { Judgement } from './report/report.js'
import { inferAll, readSamples } from './statistics/stack-samples.js'

export interface EvaluateOptions {
  readonly session: Session
  readonly samples: SampleSource
  /** Answers of the float model to the first samples; as many are evaluated. */
  readonly reference: readonly Tensor[]
  readonly output: string
  /** Samples per run (`batchSize`). */
  readonly batch: number
  readonly judging: Judging
  readonly settings: Demands
  readonly signal?: AbortSignal
}

/** What a candidate does to the output. */
export interface Evaluation extends Judgement {
  /** Share of the characters that int8 reads as float does; undefined where nothing is read. */
  readonly textCloseness: number | undefined
}

/** A candidate against float on the first calibration samples: what choices between candidates are made by. The verdict means nothing here. */
export async function evaluate({
  session,
  samples,
  reference,
  output,
  batch,
  judging,
  settings,
  signal,
}: EvaluateOptions): Promise<Evaluation> {
  const tally = new Tally(judging, settings)
  for (let index = 0; index < reference.length; index += batch) {
    if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'quantization aborted', { cause: signal.reason })
    const run = Array.from({ length: Math.min(batch, reference.length - index) }, (_, at) => index + at)
    const read = await readSamples(samples, run)
    const answers = await inferAll(session, read, output)
    answers.forEach((int8, at) => {
      tally.add({ float: reference[index + at]!, int8, label: read[at]!.label })
    })
  }
  return { ...tally.judgement(), textCloseness: tally.textCloseness }
}
