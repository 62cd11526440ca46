import type { Tensor } from '../../graph/tensor/tensor.js'
import { argMax } from './ctc.js'
import { defineMetric, meanTally } from './metric.js'

/** Share of items whose largest output is the one that float has there. An output with several rows (steps, pixels) counts row by row along its last axis. */
export const agreement = defineMetric({
  name: 'agreement',
  kind: 'share',
  needsLabels: false,
  start: () => meanTally(({ output, float }) => rowAgreement(float, output)),
})

/** Share of the rows along the last axis whose largest element is at the same place in both; 1 where rows hold one element. */
export function rowAgreement(float: Tensor, int8: Tensor): number {
  const classes = float.shape.at(-1) ?? 1
  const rows = float.data.length / classes
  if (classes < 2 || rows < 1) return 1
  let agreeing = 0
  for (let start = 0; start < float.data.length; start += classes) {
    if (argMax(float.data, start, classes) === argMax(int8.data, start, classes)) agreeing += 1
  }
  return agreeing / rows
}
