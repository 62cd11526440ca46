import type { Tensor } from '../../graph/tensor/tensor.js'
import { defineMetric, meanTally } from './metric.js'
import { rowMaxima } from './row-maxima.js'

/** Share of items whose largest output is the one that float has there. An output with several rows (steps, pixels) counts row by row along its last axis. */
export const agreement = defineMetric({
  name: 'agreement',
  kind: 'share',
  needsLabels: false,
  ofFloat: true,
  start: () => meanTally(({ output, float }) => rowAgreement(float, output)),
})

/** Share of the rows along the last axis whose largest element is at the same place in both; 1 where rows hold one element. */
export function rowAgreement(float: Tensor, int8: Tensor): number {
  if ((float.shape.at(-1) ?? 1) < 2) return 1
  const [wanted, found] = [rowMaxima(float), rowMaxima(int8)]
  if (wanted.length === 0) return 1
  let agreeing = 0
  for (let row = 0; row < wanted.length; row += 1) if (wanted[row] === found[row]) agreeing += 1
  return agreeing / wanted.length
}
