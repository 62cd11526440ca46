import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Label } from '../../samples/sample.js'
import { realValues } from './real-values.js'

/** An output seen as several predictions: one class score per class in each. */
export interface PredictionRows {
  readonly values: Float32Array | Float64Array
  readonly rows: number
  readonly classes: number
  /** Distance in `values` between two scores of one row: 1 when classes are the last axis. */
  readonly stride: number
}

/**
 * `output` as `rows` predictions (steps, pixels): their classes lie along the last axis, or along axis 1 of a map `[1, classes, height, width]`.
 * @param rows absent: one per index before the last axis
 * @returns undefined when the values do not part into so many rows
 */
export function predictionRows(output: Tensor, rows?: number): PredictionRows | undefined {
  const { shape } = output
  const values = realValues(output)
  if (rows === undefined) {
    const classes = shape.at(-1) ?? 1
    return classes === 0 ? undefined : { values, rows: values.length / classes, classes, stride: 1 }
  }
  const classes = values.length / rows
  if (!Number.isInteger(classes) || classes < 1) return undefined
  const inChannels = shape.length > 2 && shape[0] === 1 && shape[1] === classes && shape.at(-1) !== classes
  return { values, rows, classes, stride: inChannels ? rows : 1 }
}

/** Class with the largest score of row `row`; the first of equals. */
export function bestClass({ values, classes, stride }: PredictionRows, row: number): number {
  const start = stride === 1 ? row * classes : row
  let best = 0
  let largest = values[start]!
  for (let index = 1, at = start + stride; index < classes; index += 1, at += stride) {
    const value = values[at]!
    if (value > largest) {
      largest = value
      best = index
    }
  }
  return best
}

/** Number of predictions that a label speaks of: one, or one per entry of a row. */
export const labelRows = (label: number | readonly number[]): number => (typeof label === 'number' ? 1 : label.length)

/** Entry of a label for prediction `row`. */
export const labelAt = (label: number | readonly number[], row: number): number => (typeof label === 'number' ? label : label[row]!)

/** A class below 0 or NaN says that the truth of this prediction is not known: it is not counted. */
export const isUnknown = (label: number): boolean => !(label >= 0)

/** True where the truth of at least one prediction is known. */
export const knowsRows = (label: Label): boolean =>
  typeof label === 'string' || (typeof label === 'number' ? !isUnknown(label) : label.some(entry => !isUnknown(entry)))
