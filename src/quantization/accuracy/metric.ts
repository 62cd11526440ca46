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

/** A measure of one output against the truth: `share` in 0..1 where more is better, or an `error` from 0 where less is. */
export interface Metric {
  readonly name: string
  readonly kind: 'share' | 'error'
  /** One number per item. */
  item(item: Item): number
  /** The metric from the mean of the items' numbers. */
  total(mean: number): number
}

export function defineMetric(metric: Metric): Metric {
  return Object.freeze(metric)
}
