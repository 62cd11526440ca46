import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Label } from '../../samples/sample.js'
import { defineMetricFamily, type LabelForm, meanTally } from './metric.js'
import { knowsRows } from './prediction-rows.js'
import { realValues } from './real-values.js'

export const classLabel: LabelForm = {
  wanted: 'a class index',
  fits: label => typeof label === 'number',
  known: knowsRows,
}

/** `topk:5`: share of items whose labelled class is among the k largest outputs; of equal ones those with the lower index come first, as for `top1`. */
export const topK = defineMetricFamily({
  name: 'topk',
  parameter: 'how many of the largest outputs count, from 1',
  accepts: k => Number.isInteger(k) && k >= 1,
  make: k => ({
    name: `topk:${k}`,
    kind: 'share',
    needsLabels: true,
    labels: classLabel,
    start: () => meanTally(({ output, label }) => (rankOfLabel(output, label) < k ? 1 : 0)),
  }),
})

/** Number of classes before the labelled one in descending order; infinite for a label that is no class of this output. */
export function rankOfLabel(output: Tensor, label: Label | undefined): number {
  const values = realValues(output)
  const wanted = typeof label === 'number' ? values[label] : undefined
  if (wanted === undefined || Number.isNaN(wanted)) return Number.POSITIVE_INFINITY
  let rank = 0
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index]!
    if (value > wanted || (value === wanted && index < (label as number))) rank += 1
  }
  return rank
}
