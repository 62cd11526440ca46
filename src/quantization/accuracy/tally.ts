import { distance } from 'fastest-levenshtein'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { MetricDemand } from '../../samples/manifest.js'
import type { Label } from '../../samples/sample.js'
import type { Judgement, MetricFigures } from '../report/report.js'
import type { QuantizeSettings } from '../settings.js'
import { rowAgreement } from './agreement.js'
import { type ChosenMetric, chooseMetric, heldTo, type Judging, resolveMetric } from './choose-metric.js'
import { decodeCtc } from './ctc.js'
import { dropOf, keepsAccuracy } from './keeps-accuracy.js'
import type { Metric, MetricTally } from './metric.js'
import { Signal } from './signal.js'
import { verdictSentence } from './verdict-sentence.js'

/** Held-out items from which on a judgement is one (DECISIONS, Judge). */
export const fewestItems = 100

/** The part of the settings that says what int8 is held to. */
export type Demands = Pick<QuantizeSettings, 'metric' | 'max_drop'> &
  Partial<Pick<QuantizeSettings, 'drop' | 'metrics'>> & {
    /** What sentences call the judged model. Default int8. */
    readonly subject?: string
  }

/** One item as both models answer it. */
export interface JudgedItem {
  readonly float: Tensor
  readonly int8: Tensor
  readonly label: Label | undefined
}

/** Gathers items and says what they add up to. The first item decides what metrics are held to: its label, or float. */
export class Tally {
  readonly #judging: Judging
  readonly #demands: Demands
  readonly #signal = new Signal()
  #chosen: ChosenMetric | undefined
  #primary: Pair | undefined
  #others: readonly (Pair | undefined)[] = []
  #items = 0
  #agreeing = 0
  #classes = 0
  #characters = 0
  #edits = 0

  constructor(judging: Judging, demands: Demands) {
    this.#judging = judging
    this.#demands = demands
  }

  /** @throws ERR_QUANT_METRIC, ERR_QUANT_METRIC_MODULE */
  add(item: JudgedItem): void {
    const { float, int8 } = item
    if (this.#chosen === undefined) this.#choose(item)
    this.#signal.add(float, int8)
    this.#items += 1
    this.#classes = float.shape.at(-1) ?? 1
    this.#agreeing += rowAgreement(float, int8)
    this.#compareTexts(item)
    const alphabet = this.#judging.alphabet ?? []
    this.#primary?.add(item, alphabet)
    for (const other of this.#others) other?.add(item, alphabet)
  }

  #choose({ float: output, label }: JudgedItem): void {
    const judging = this.#judging
    const chosen = chooseMetric({ judging, requested: this.#demands.metric, label, output })
    this.#primary = chosen.metric === undefined ? undefined : new Pair({ ...chosen, metric: chosen.metric })
    this.#others = (this.#demands.metrics ?? []).map(({ name }) => {
      const metric = resolveMetric(name, judging)
      return metric.needsLabels && label === undefined ? undefined : new Pair(heldTo({ metric, label, output, judging }))
    })
    this.#chosen = chosen
  }

  /** Share of the characters of float's texts that int8 reads alike: finer than whole lines, for choices on few of them. Undefined for other metrics. */
  get textCloseness(): number | undefined {
    return this.#chosen?.metric?.needsAlphabet ? 1 - this.#edits / Math.max(1, this.#characters) : undefined
  }

  #compareTexts({ float, int8 }: JudgedItem): void {
    if (!this.#chosen?.metric?.needsAlphabet) return
    const alphabet = this.#judging.alphabet ?? []
    const [wanted, found] = [decodeCtc(float, alphabet), decodeCtc(int8, alphabet)]
    this.#characters += wanted.length
    this.#edits += distance(wanted, found)
  }

  judgement(): Judgement {
    const { max_drop, drop: dropKind = 'absolute', metrics: demands = [], subject } = this.#demands
    const items = this.#primary?.count ?? this.#items
    const figures = {
      ...figuresOf(this.#primary, { name: this.#chosen?.name ?? 'signal', max_drop, drop: dropKind }),
      items,
      agreement: this.#classes > 1 && this.#items > 0 ? this.#agreeing / this.#items : null,
      snr_db: this.#items === 0 ? null : this.#signal.snrDb,
      cosine: this.#items === 0 ? null : this.#signal.cosine,
      ...(demands.length === 0 ? {} : { others: demands.map((demand, index) => figuresOf(this.#others[index], demand)) }),
    }
    const measured = [...(this.#primary === undefined ? [] : [figures]), ...(figures.others ?? [])].every(({ drop }) => drop !== null)
    const verdict = items < fewestItems ? 'unjudged' : !keepsAccuracy(figures) ? 'refused' : measured ? 'accepted' : 'unjudged'
    return {
      verdict,
      sentence: verdictSentence({ verdict, ...figures }, { fewestItems, ...(subject === undefined ? {} : { subject }) }),
      ...figures,
    }
  }
}

/** The tallies of both models for one metric. */
class Pair {
  readonly metric: Metric
  readonly by: ChosenMetric['by']
  readonly #float: MetricTally
  readonly #int8: MetricTally
  count = 0

  constructor({ metric, by }: Required<ChosenMetric>) {
    this.metric = metric
    this.by = by
    this.#float = metric.start()
    this.#int8 = metric.start()
  }

  /** Items without a label, or with one that says nothing, are not counted where the others are held to theirs. */
  add({ float, int8, label }: JudgedItem, alphabet: readonly string[]): void {
    if (this.by === 'labels' && (label === undefined || this.metric.labels?.known?.(label) === false)) return
    const truth = this.by === 'labels' ? label : undefined
    this.count += 1
    if (!this.metric.ofFloat) this.#float.add({ output: float, label: truth, float, alphabet })
    this.#int8.add({ output: int8, label: truth, float, alphabet })
  }

  values(): { readonly float: number; readonly int8: number } {
    const ofItself = this.metric.kind === 'share' ? 1 : 0
    return { float: this.metric.ofFloat ? ofItself : this.#float.value(), int8: this.#int8.value() }
  }
}

function figuresOf(pair: Pair | undefined, { name, max_drop, drop }: MetricDemand): MetricFigures {
  const none = { metric: name, by: pair?.by ?? ('float' as const), float: null, int8: null, drop: null, max_drop }
  if (pair === undefined || pair.count === 0) return none
  const { float, int8 } = pair.values()
  const { kind } = pair.metric
  const dropKind = kind === 'error' ? 'relative' : drop
  // The items do not define it: AUC where they are all of one kind.
  if (Number.isNaN(float) || Number.isNaN(int8)) return none
  const figures = { metric: pair.metric.name, by: pair.by, float, int8, drop: dropOf({ kind, float, int8, dropKind }), max_drop }
  return { ...figures, kind, ...(dropKind === 'absolute' ? {} : { drop_kind: dropKind }) }
}
