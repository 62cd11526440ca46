import { defineMetric, defineMetricFamily, type Item, type LabelForm, labelMismatch, type MetricTally } from './metric.js'
import { bestClass, isUnknown, knowsRows, labelAt, labelRows, type PredictionRows, predictionRows } from './prediction-rows.js'
import { realValues } from './real-values.js'

const rowLabel: LabelForm = {
  wanted: 'a class index, or a row of them with one per prediction,',
  fits: (label, output) => typeof label !== 'string' && predictionRows(output, labelRows(label)) !== undefined,
  known: knowsRows,
}

/**
 * F1 = 2 TP / (2 TP + FP + FN), counted over the predictions of all items. Outputs of several classes: per class, then the plain mean over the classes that are
 * labelled or predicted at all (macro; scikit-learn's `f1_score(average='macro')`). Outputs of one score per prediction: of the positive class, above 0.5.
 * Held to the classes that float answers where there are no labels. An item's figure is the share of its predictions that are right.
 */
export const f1 = defineMetric({ name: 'f1', kind: 'share', needsLabels: false, labels: rowLabel, start: classTally })

function classTally(): MetricTally {
  let counts: ClassCounts | undefined
  return {
    add(item) {
      const { found, truth } = predictions(item)
      counts ??= new ClassCounts(found.classes)
      let right = 0
      let known = 0
      for (let row = 0; row < found.rows; row += 1) {
        const wanted = truth(row)
        if (isUnknown(wanted)) continue
        const answered = classOf(found, row)
        counts.add(wanted, answered)
        known += 1
        if (wanted === answered) right += 1
      }
      return known === 0 ? 1 : right / known
    },
    value: () => counts?.value() ?? Number.NaN,
  }
}

function predictions({ output, label, float }: Item): { readonly found: PredictionRows; truth(row: number): number } {
  const refuse = () => labelMismatch('f1', rowLabel.wanted, label)
  if (typeof label === 'string') throw refuse()
  const found = predictionRows(output, label === undefined ? undefined : labelRows(label))
  if (found === undefined) throw refuse()
  if (label === undefined) {
    const wanted = predictionRows(float)
    return { found, truth: row => classOf(wanted!, row) }
  }
  const classes = Math.max(2, found.classes)
  return {
    found,
    truth(row) {
      const wanted = labelAt(label, row)
      if (isUnknown(wanted) || (Number.isInteger(wanted) && wanted < classes)) return wanted
      throw refuse()
    },
  }
}

/** One score stands for class 1 against class 0. */
const classOf = (rows: PredictionRows, row: number): number =>
  rows.classes === 1 ? (rows.values[row]! > 0.5 ? 1 : 0) : bestClass(rows, row)

class ClassCounts {
  /** True positives of each class, then how often it was answered and labelled, together. */
  readonly #right: Float64Array
  readonly #named: Float64Array
  readonly #first: number

  /** @param classes 1: class 0 is the absence of class 1, and has no F1 of its own */
  constructor(classes: number) {
    this.#first = classes === 1 ? 1 : 0
    this.#right = new Float64Array(Math.max(2, classes))
    this.#named = new Float64Array(Math.max(2, classes))
  }

  add(truth: number, found: number): void {
    this.#named[truth]! += 1
    this.#named[found]! += 1
    if (truth === found) this.#right[truth]! += 1
  }

  /** 2 TP / (2 TP + FP + FN) is 2 TP / (answered + labelled). */
  value(): number {
    let sum = 0
    let classes = 0
    for (let index = this.#first; index < this.#right.length; index += 1) {
      if (this.#named[index] === 0) continue
      sum += (2 * this.#right[index]!) / this.#named[index]!
      classes += 1
    }
    return classes === 0 ? 1 : sum / classes
  }
}

const elementLabel: LabelForm = {
  wanted: '0 or 1, or a row of them with one per element,',
  fits: (label, output) => typeof label === 'number' || (typeof label !== 'string' && label.length === output.data.length),
  known: knowsRows,
}

/**
 * `f1:0.3`: elements above the threshold count as found; F1 over the elements of all items. A row of labels speaks of each element, one number of the largest
 * (is there any?), and without labels the truth is what lies above the threshold in float's output: agreement of two maps. An item's figure is its own F1,
 * 1 where nothing is found and nothing to be found.
 */
export const thresholdF1 = defineMetricFamily({
  name: 'f1',
  parameter: 'the threshold above which an element counts as found',
  accepts: Number.isFinite,
  make: threshold => ({
    name: `f1:${threshold}`,
    kind: 'share',
    needsLabels: false,
    labels: elementLabel,
    start: () => thresholdTally(`f1:${threshold}`, threshold),
  }),
})

function thresholdTally(name: string, threshold: number): MetricTally {
  let both = 0
  let named = 0
  const tally = {
    add({ output, label, float }: Item) {
      const before = { both, named }
      const values = realValues(output)
      if (typeof label === 'number') count(label, largest(values))
      else if (label === undefined) {
        countMaps(realValues(float), values)
      } else if (typeof label === 'string' || label.length !== values.length) throw labelMismatch(name, elementLabel.wanted, label)
      else for (let i = 0; i < values.length; i += 1) count(label[i]!, values[i]!)
      return named === before.named ? 1 : (2 * (both - before.both)) / (named - before.named)
    },
    value: () => (named === 0 ? 1 : (2 * both) / named),
  }
  const count = (label: number, value: number) => {
    if (!isUnknown(label)) countBinary(label > 0.5, value > threshold)
  }
  const countMaps = (wanted: Float32Array | Float64Array, values: Float32Array | Float64Array) => {
    let [shared, either] = [0, 0]
    for (let i = 0; i < values.length; i += 1) {
      const truth = wanted[i]! > threshold ? 1 : 0
      const found = values[i]! > threshold ? 1 : 0
      shared += truth & found
      either += truth + found
    }
    both += shared
    named += either
  }
  const countBinary = (truth: boolean, found: boolean) => {
    if (truth && found) both += 1
    named += (truth ? 1 : 0) + (found ? 1 : 0)
  }
  return tally
}

function largest(values: Float32Array | Float64Array): number {
  let most = Number.NEGATIVE_INFINITY
  for (let i = 0; i < values.length; i += 1) if (values[i]! > most) most = values[i]!
  return most
}
