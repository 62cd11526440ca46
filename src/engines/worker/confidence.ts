import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Manifest } from '../../samples/manifest.js'

/**
 * How sure the answer is, 0..1: the margin between the two most probable classes along the last axis, averaged over everything before it (the steps of a
 * line of text). Logits go through softmax; what already is a distribution is taken as it is. Undefined for tasks without classes.
 */
export function confidenceOf(task: Manifest['task'], output: Tensor | undefined): number | undefined {
  if ((task !== 'classification' && task !== 'text') || output?.dtype !== 'float32') return undefined
  const classes = output.shape.at(-1) ?? 0
  if (classes < 2) return undefined
  const values = output.data as Float32Array
  let sum = 0
  for (let start = 0; start < values.length; start += classes) sum += margin(values, start, start + classes)
  const mean = sum / (values.length / classes)
  return Number.isFinite(mean) ? mean : undefined
}

function margin(values: Float32Array, start: number, end: number): number {
  let first = Number.NEGATIVE_INFINITY
  let second = Number.NEGATIVE_INFINITY
  let total = 0
  let lowest = 0
  for (let i = start; i < end; i += 1) {
    const value = values[i]!
    total += value
    if (value < lowest) lowest = value
    if (value > first) {
      second = first
      first = value
    } else if (value > second) second = value
  }
  if (lowest >= 0 && Math.abs(total - 1) < 1e-3) return first - second
  let exponentials = 0
  for (let i = start; i < end; i += 1) exponentials += Math.exp(values[i]! - first)
  return (1 - Math.exp(second - first)) / exponentials
}
