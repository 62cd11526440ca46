import type { Tensor } from '../../graph/tensor/tensor.js'
import { bestClass, predictionRows } from './prediction-rows.js'

/** Float's answers are compared with those of every candidate, and by several metrics: their rows are searched once. */
const known = new WeakMap<Tensor, Int32Array>()

/** Index of the largest element of each row along the last axis; the first of equals. */
export function rowMaxima(output: Tensor): Int32Array {
  const found = known.get(output)
  if (found !== undefined) return found
  const rows = predictionRows(output)
  const maxima = new Int32Array(rows === undefined ? 0 : Math.floor(rows.rows))
  for (let row = 0; row < maxima.length; row += 1) maxima[row] = bestClass(rows!, row)
  known.set(output, maxima)
  return maxima
}
