import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Label } from '../../samples/sample.js'

/** What an item's output is held to: its label, or what float answered. */
export interface Item {
  readonly output: Tensor
  readonly label: Label | undefined
  /** Output of the float model for the same item. */
  readonly float: Tensor
  readonly alphabet: readonly string[]
}

/** Gathers items and says what they add up to; one per model and run. */
export interface MetricTally {
  /** Takes one item. Returns its own figure, comparable between two models on the same item; layers are ranked on the items where int8 loses most. */
  add(item: Item): number
  /** The metric over all items so far. */
  value(): number
}

/** A measure of outputs against the truth: a `share` in 0..1 where more is better, or an `error` from 0 where less is. */
export interface Metric {
  readonly name: string
  readonly kind: 'share' | 'error'
  /** True when `value` means nothing without labels. */
  readonly needsLabels: boolean
  start(): MetricTally
}

export function defineMetric<const T extends Metric>(metric: T): T {
  return Object.freeze(metric)
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
