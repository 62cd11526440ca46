import type { Session } from '../../engines/engine.js'
import { QuantdError } from '../../errors.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Label, SampleSource } from '../../samples/sample.js'
import type { Judgement } from '../report/report.js'
import type { QuantizeSettings } from '../settings.js'
import { rowAgreement } from './agreement.js'
import { type ChosenMetric, chooseMetric, type Judging } from './choose-metric.js'
import { decodeCtc } from './ctc.js'
import { editDistance } from './edit-distance.js'
import type { MetricTally } from './metric.js'
import { Signal, signalLimits } from './signal.js'

/** Held-out items from which on a judgement is one (DECISIONS, Judge). */
export const fewestItems = 100

export interface JudgeOptions {
  readonly float: Session
  readonly int8: Session
  /** Held out: never calibrated on. */
  readonly samples: SampleSource
  readonly judging: Judging
  readonly settings: Pick<QuantizeSettings, 'metric' | 'max_drop'>
  readonly onProgress?: (share: number) => void
  readonly signal?: AbortSignal
}

/** One item as both models answer it. */
export interface JudgedItem {
  readonly float: Tensor
  readonly int8: Tensor
  readonly label: Label | undefined
}

/**
 * int8 against float on the held-out items: by the task's metric where there are labels, else by agreement with float. Fewer than 100 items leave it
 * `unjudged`: prepared, not to be activated.
 * @throws ERR_QUANT_METRIC, ERR_QUANT_OUTPUT, ERR_ABORTED
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

/** Gathers items and says what they add up to. */
export class Tally {
  readonly #judging: Judging
  readonly #settings: JudgeOptions['settings']
  readonly #signal = new Signal()
  #chosen: ChosenMetric | undefined
  #items = 0
  #float: MetricTally | undefined
  #int8: MetricTally | undefined
  #agreeing = 0
  #classes = 0
  #characters = 0
  #edits = 0

  constructor(judging: Judging, settings: JudgeOptions['settings']) {
    this.#judging = judging
    this.#settings = settings
  }

  add({ float, int8, label }: JudgedItem): void {
    this.#chosen ??= chooseMetric({ judging: this.#judging, requested: this.#settings.metric, label, output: float })
    this.#signal.add(float, int8)
    this.#items += 1
    this.#classes = float.shape.at(-1) ?? 1
    this.#agreeing += rowAgreement(float, int8)
    this.#compareTexts(float, int8)
    const { metric, by } = this.#chosen
    if (metric === undefined) return
    const alphabet = this.#judging.alphabet ?? []
    const truth = by === 'labels' ? label : undefined
    this.#float ??= metric.start()
    this.#int8 ??= metric.start()
    this.#float.add({ output: float, label: truth, float, alphabet })
    this.#int8.add({ output: int8, label: truth, float, alphabet })
  }

  /** Share of the characters of float's texts that int8 reads alike: finer than whole lines, for choices on few of them. Undefined for other metrics. */
  get textCloseness(): number | undefined {
    return this.#chosen?.name === 'text' ? 1 - this.#edits / Math.max(1, this.#characters) : undefined
  }

  #compareTexts(float: Tensor, int8: Tensor): void {
    if (this.#chosen?.name !== 'text') return
    const alphabet = this.#judging.alphabet ?? []
    const [wanted, found] = [decodeCtc(float, alphabet), decodeCtc(int8, alphabet)]
    this.#characters += wanted.length
    this.#edits += editDistance(wanted, found)
  }

  judgement(): Judgement {
    const { max_drop } = this.#settings
    const chosen = this.#chosen ?? { name: 'signal', by: 'float' as const }
    const [snr, cosine] = [this.#signal.snrDb, this.#signal.cosine]
    const { metric } = 'metric' in chosen ? chosen : { metric: undefined }
    const float = this.#float?.value() ?? null
    const int8 = this.#int8?.value() ?? null
    const drop = float === null || int8 === null ? null : metric!.kind === 'share' ? float - int8 : int8 / Math.max(float, 1e-12) - 1
    const kept = drop === null ? snr >= signalLimits.snrDb && cosine >= signalLimits.cosine : drop <= max_drop + 1e-12
    const verdict = this.#items < fewestItems ? 'unjudged' : kept ? 'accepted' : 'refused'
    const figures = { metric: chosen.name, by: chosen.by, items: this.#items, float, int8, drop, max_drop }
    return {
      verdict,
      sentence: sentence({ verdict, kept, figures, snr, cosine }),
      ...figures,
      agreement: this.#classes > 1 && this.#items > 0 ? this.#agreeing / this.#items : null,
      snr_db: this.#items === 0 ? null : snr,
      cosine: this.#items === 0 ? null : cosine,
    }
  }
}

interface SentenceFields {
  readonly verdict: Judgement['verdict']
  readonly kept: boolean
  readonly figures: Pick<Judgement, 'metric' | 'items' | 'float' | 'int8' | 'drop' | 'max_drop' | 'by'>
  readonly snr: number
  readonly cosine: number
}

function sentence({ verdict, kept, figures, snr, cosine }: SentenceFields): string {
  const { metric, items, float, int8, drop, max_drop, by } = figures
  if (items === 0) return `nothing was held out to judge int8 on: at least ${fewestItems} items are needed`
  const how =
    drop === null
      ? `${snr.toFixed(1)} dB and cosine ${cosine.toFixed(4)} against float (wanted ${signalLimits.snrDb} dB and ${signalLimits.cosine})`
      : metric === 'rmse'
        ? `rmse ${float!.toFixed(4)} in float, ${int8!.toFixed(4)} in int8: ${percent(drop)} more, ${percent(max_drop)} allowed`
        : by === 'float'
          ? `int8 answers as float does in ${percent(int8!)} of the items, ${percent(1 - max_drop)} wanted`
          : `${metric} ${percent(float!)} in float, ${percent(int8!)} in int8: ${change(drop)}, ${points(max_drop)} allowed`
  if (verdict === 'unjudged') return `only ${items} of ${fewestItems} items were held out, too few to judge int8 on: ${how}`
  return kept ? `int8 keeps the accuracy: ${how}` : `int8 loses too much accuracy: ${how}`
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`
const points = (share: number) => `${(100 * share).toFixed(2)} points`
const change = (drop: number) => (drop < 0 ? `${points(-drop)} gained` : `${points(drop)} lost`)
