import type { Session } from '../engines/engine.js'
import { QuantdError } from '../errors.js'
import type { Tensor } from '../graph/tensor/tensor.js'
import type { SampleSource } from '../samples/sample.js'
import type { Judging } from './accuracy/choose-metric.js'
import { Tally } from './accuracy/judge-accuracy.js'
import type { Judgement } from './report/report.js'
import type { QuantizeSettings } from './settings.js'

export interface EvaluateOptions {
  readonly session: Session
  readonly samples: SampleSource
  /** Answers of the float model to the first samples; as many are evaluated. */
  readonly reference: readonly Tensor[]
  readonly output: string
  readonly judging: Judging
  readonly settings: Pick<QuantizeSettings, 'metric' | 'max_drop'>
  readonly signal?: AbortSignal
}

/** A candidate against float on the first calibration samples: what choices between candidates are made by. The verdict means nothing here. */
export async function evaluate({ session, samples, reference, output, judging, settings, signal }: EvaluateOptions): Promise<Judgement> {
  const tally = new Tally(judging, settings)
  for (const [index, float] of reference.entries()) {
    if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'quantization aborted', { cause: signal.reason })
    const { inputs, label } = await samples.read(index)
    const int8 = (await session.infer(inputs, [output]))[output]!
    tally.add({ float, int8, label })
  }
  return tally.judgement()
}
