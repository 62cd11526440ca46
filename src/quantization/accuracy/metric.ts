import { QuantdError } from '../../errors.js'
import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Label } from '../../samples/sample.js'

/** What an item's output is held to: its label, or what float answered. */
export interface Item {
  readonly output: Tensor
  /** Absent: the item is held to `float`. */
  readonly label: Label | undefined
  /** Output of the float model for the same item. */
  readonly float: Tensor
  readonly alphabet: readonly string[]
}

/** Gathers items and says what they add up to; one per model and run. */
export interface MetricTally {
  /**
   * Takes one item. Returns its own figure, comparable between two models on the same item, better in the direction of the metric's `kind`; layers are ranked
   * on the items where int8 loses most.
   */
  add(item: Item): number
  /** The metric over all items so far; NaN where they do not define it (AUC with one kind of label only). */
  value(): number
}

/** The labels that a metric understands. */
export interface LabelForm {
  /** For messages: 'a class index'. */
  readonly wanted: string
  fits(label: Label, output: Tensor): boolean
  /** False for a label that says that nothing is known (-1, NaN): its item is not counted. Absent: all are known. */
  known?(label: Label): boolean
}

/** A measure of outputs against the truth. */
export interface Metric {
  readonly name: string
  /** `share`: 0..1, more is better. `rate`: 0..1, less is better. `error`: from 0 without an end, less is better, so that a drop is always relative. */
  readonly kind: 'share' | 'rate' | 'error'
  /** True when `value` means nothing without labels; others are held to float's answers where there are none. */
  readonly needsLabels: boolean
  /** Absent: any label. */
  readonly labels?: LabelForm
  /** True: never held to labels, even where there are some. */
  readonly ofFloat?: true
  /** True: outputs are read as text, by an alphabet. */
  readonly needsAlphabet?: true
  start(): MetricTally
}

export function defineMetric<const T extends Metric>(metric: T): T {
  return Object.freeze(metric)
}

/** Metrics with a number behind their name: `topk:5`. */
export interface MetricFamily {
  readonly name: string
  /** What the number is, for messages. */
  readonly parameter: string
  accepts(parameter: number): boolean
  /** Its name is `name:parameter`. */
  make(parameter: number): Metric
}

export function defineMetricFamily<const T extends MetricFamily>(family: T): T {
  return Object.freeze(family)
}

/** Tally of a metric that is a function of the mean of its items' figures. */
export function meanTally(item: (item: Item) => number, total: (mean: number) => number = mean => mean): MetricTally {
  let sum = 0
  let count = 0
  return {
    add(one) {
      const figure = item(one)
      sum += figure
      count += 1
      return figure
    },
    value: () => total(count === 0 ? 0 : sum / count),
  }
}

/** What a metric throws when an item's label does not fit its output. */
export const labelMismatch = (metric: string, wanted: string, label: Label | undefined): QuantdError =>
  new QuantdError('ERR_QUANT_METRIC', `metric '${metric}' needs ${wanted} as label, found ${JSON.stringify(label)?.slice(0, 60)}`)
