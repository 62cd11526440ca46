import { defineMetric, type LabelForm, labelMismatch, type MetricTally } from './metric.js'
import { isUnknown, knowsRows, labelAt, labelRows, type PredictionRows, predictionRows } from './prediction-rows.js'

const binaryLabel: LabelForm = {
  wanted: '0 or 1, or a row of them with one per prediction,',
  fits: (label, output) => typeof label !== 'string' && predictionRows(output, labelRows(label)) !== undefined,
  known: knowsRows,
}

/**
 * Area under the ROC curve over all predictions: the chance that one labelled 1 has a larger score than one labelled 0, ties counting half (Mann and Whitney).
 * One label per item or a row of them (frames). The score of a prediction with one value is that value, with two (absent, present) the second less the first,
 * with more the largest: the best anchor of a detector. Labels below 0 and NaN are not counted. Not defined (NaN) until both kinds have been seen.
 * An item's figure is the mean of its scores, those labelled 0 taken negative: how far it lies on its right side.
 */
export const auc = defineMetric({ name: 'auc', kind: 'share', needsLabels: true, labels: binaryLabel, start: rocTally })

function rocTally(): MetricTally {
  const present: number[] = []
  const absent: number[] = []
  return {
    add({ output, label }) {
      const refuse = () => labelMismatch('auc', binaryLabel.wanted, label)
      if (label === undefined || typeof label === 'string') throw refuse()
      const rows = predictionRows(output, labelRows(label))
      if (rows === undefined) throw refuse()
      let sum = 0
      let known = 0
      for (let row = 0; row < rows.rows; row += 1) {
        const truth = labelAt(label, row)
        if (isUnknown(truth)) continue
        if (truth !== 0 && truth !== 1) throw refuse()
        const score = scoreOf(rows, row)
        ;(truth === 1 ? present : absent).push(score)
        sum += truth === 1 ? score : -score
        known += 1
      }
      return known === 0 ? 0 : sum / known
    },
    value: () => areaUnderCurve(present, absent),
  }
}

function scoreOf({ values, classes, stride }: PredictionRows, row: number): number {
  const start = stride === 1 ? row * classes : row
  if (classes === 1) return values[start]!
  if (classes === 2) return values[start + stride]! - values[start]!
  let largest = values[start]!
  for (let index = 1; index < classes; index += 1) largest = Math.max(largest, values[start + index * stride]!)
  return largest
}

/** Pairs in the right order over all pairs, equal ones half; NaN without pairs or with scores that are no numbers. */
export function areaUnderCurve(present: readonly number[], absent: readonly number[]): number {
  if (present.length === 0 || absent.length === 0) return Number.NaN
  const low = Float64Array.from(absent).sort()
  const high = Float64Array.from(present).sort()
  // Typed arrays sort NaN to the end.
  if (Number.isNaN(low.at(-1)!) || Number.isNaN(high.at(-1)!)) return Number.NaN
  let below = 0
  let notAbove = 0
  let pairs = 0
  for (const score of high) {
    while (below < low.length && low[below]! < score) below += 1
    while (notAbove < low.length && low[notAbove]! <= score) notAbove += 1
    pairs += (below + notAbove) / 2
  }
  return pairs / (low.length * high.length)
}
