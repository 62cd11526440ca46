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

/**
 * int8 against float on the held-out items: by the task's metric where there are labels, else by agreement with float. Fewer than 100 items leave it
 * `unjudged`: prepared, not to be activated.
 * @throws ERR_QUANT_METRIC, ERR_QUANT_METRIC_MODULE, ERR_QUANT_OUTPUT, ERR_ABORTED
 */
export async function judgeAccuracy({ float, int8, samples, judging, settings, onProgress, signal }: JudgeOptions): Promise<Judgement> {
  const output = judgedOutput(float, judging)
  const tally = new Tally(judging, settings)
  for (let index = 0; index < samples.count; index += 1) {
    if (signal?.aborted) throw new QuantdError('ERR_ABORTED', 'judging aborted', { cause: signal.reason })
    const { inputs, label } = await samples.read(index)
    const wanted = (await float.infer(inputs, [output]))[output]!
    const found = (await int8.infer(inputs, [output]))[output]!
    tally.add({ float: wanted, int8: found, label })
    if (index % 8 === 0) onProgress?.(index / samples.count)
  }
  return tally.judgement()
}

/** Name of the output that is judged. @throws ERR_QUANT_OUTPUT */
export function judgedOutput({ outputs }: Pick<Session, 'outputs'>, { output }: Judging): string {
  if (output === undefined) return outputs[0]!.name
  if (outputs.some(({ name }) => name === output)) return output
  throw new QuantdError('ERR_QUANT_OUTPUT', `output '${output}' is none of ${outputs.map(({ name }) => `'${name}'`).join(', ')}`)
}
