import type { Tensor } from '../../graph/tensor/tensor.js'
import type { Label } from '../../samples/sample.js'
import { defineMetric, defineMetricFamily, type LabelForm, labelMismatch, type Metric, type MetricTally } from './metric.js'
import { realValues } from './real-values.js'

export const boxLabel: LabelForm = {
  wanted: 'rows of x1, y1, x2, y2, class (one after another, none for an empty picture)',
  fits: (label, output) =>
    isRows(label) && output.data.length % columns === 0 && (output.shape.at(-1) === columns || output.data.length === 0),
}

/** Of an output row: x1, y1, x2, y2, score, class. */
const columns = 6
const labelColumns = 5

/**
 * mAP: the plain mean over the classes that are labelled of the area under precision over recall, `map` at an overlap (IoU) of 0.5, `map:0.75` at another.
 *
 * Output: boxes after non-maximum suppression, rows of x1, y1, x2, y2, score, class along the last axis (`[1, boxes, 6]` or `[boxes, 6]`; what Ultralytics
 * exports with `nms=True`); rows with a score of 0 or less are padding. Label: rows of x1, y1, x2, y2, class in the same units, padded with NaN.
 * Matching: the boxes of an item in descending score, each takes the free truth of its class that it overlaps most, if by enough (COCO).
 * Area: exact, under the envelope of the precision (PASCAL VOC from 2010 on, all points; neither 11 nor 101 of them).
 * An item's figure is the same area over its own boxes, classes together; where nothing is labelled, 1 less the score of the surest box.
 */
export const meanAveragePrecision = defineMetric(averagePrecision('map', 0.5))

export const averagePrecisionAt = defineMetricFamily({
  name: 'map',
  parameter: 'the overlap (IoU) from which a box counts as found, above 0 and at most 1',
  accepts: overlap => overlap > 0 && overlap <= 1,
  make: overlap => averagePrecision(`map:${overlap}`, overlap),
})

function averagePrecision(name: string, overlap: number): Metric {
  return { name, kind: 'share', needsLabels: true, labels: boxLabel, start: () => new BoxTally(name, overlap) }
}

/** Boxes and hits of one class over all items. */
interface ClassBoxes {
  truths: number
  readonly scores: number[]
  /** 1 where the box of the same place found a truth. */
  readonly hits: number[]
}

class BoxTally implements MetricTally {
  readonly #name: string
  readonly #overlap: number
  readonly #classes = new Map<number, ClassBoxes>()

  constructor(name: string, overlap: number) {
    this.#name = name
    this.#overlap = overlap
  }

  add({ output, label }: { readonly output: Tensor; readonly label: Label | undefined }): number {
    if (label === undefined || !isRows(label) || !boxLabel.fits(label, output)) throw labelMismatch(this.#name, boxLabel.wanted, label)
    const truths = truthCount(label)
    for (let row = 0; row < truths; row += 1) this.#of(label[row * labelColumns + 4]!).truths += 1
    const values = realValues(output)
    const order = boxesByScore(values)
    const taken = new Uint8Array(truths)
    const hits: number[] = []
    for (const row of order) {
      const truth = this.#match(values, row, label, taken)
      if (truth !== undefined) taken[truth] = 1
      const { scores, hits: all } = this.#of(values[row * columns + 5]!)
      scores.push(values[row * columns + 4]!)
      all.push(truth === undefined ? 0 : 1)
      hits.push(truth === undefined ? 0 : 1)
    }
    if (truths > 0) return areaUnderPrecision(hits, truths)
    return order.length === 0 ? 1 : 1 - Math.min(1, values[order[0]! * columns + 4]!)
  }

  /** The free truth of the same class that box `row` overlaps most, if by enough. */
  #match(values: Float32Array | Float64Array, row: number, label: readonly number[], taken: Uint8Array): number | undefined {
    let best: number | undefined
    let most = this.#overlap
    for (let truth = 0; truth < taken.length; truth += 1) {
      if (taken[truth] === 1 || label[truth * labelColumns + 4] !== values[row * columns + 5]) continue
      const shared = overlapOf(values, row * columns, label, truth * labelColumns)
      if (shared > most || (shared === most && best === undefined)) [best, most] = [truth, shared]
    }
    return best
  }

  #of(name: number): ClassBoxes {
    const known = this.#classes.get(name)
    if (known !== undefined) return known
    const boxes: ClassBoxes = { truths: 0, scores: [], hits: [] }
    this.#classes.set(name, boxes)
    return boxes
  }

  value(): number {
    let sum = 0
    let classes = 0
    for (const { truths, scores, hits } of this.#classes.values()) {
      if (truths === 0) continue
      const order = Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b)
      sum += areaUnderPrecision(
        order.map(index => hits[index]!),
        truths,
      )
      classes += 1
    }
    return classes === 0 ? Number.NaN : sum / classes
  }
}

const isRows = (label: Label): label is readonly number[] =>
  typeof label !== 'number' && typeof label !== 'string' && label.length % labelColumns === 0

/** Rows before the padding. */
function truthCount(label: readonly number[]): number {
  const rows = label.length / labelColumns
  for (let row = 0; row < rows; row += 1) if (Number.isNaN(label[row * labelColumns]!)) return row
  return rows
}

/** Rows with a score above 0, the surest first. */
function boxesByScore(values: Float32Array | Float64Array): number[] {
  const rows: number[] = []
  for (let row = 0; row * columns < values.length; row += 1) if (values[row * columns + 4]! > 0) rows.push(row)
  return rows.sort((a, b) => values[b * columns + 4]! - values[a * columns + 4]! || a - b)
}

/** Intersection over union of two boxes; 0 for boxes without area. */
function overlapOf(a: ArrayLike<number>, i: number, b: ArrayLike<number>, j: number): number {
  const width = Math.min(a[i + 2]!, b[j + 2]!) - Math.max(a[i]!, b[j]!)
  const height = Math.min(a[i + 3]!, b[j + 3]!) - Math.max(a[i + 1]!, b[j + 1]!)
  if (!(width > 0 && height > 0)) return 0
  const shared = width * height
  const area = (box: ArrayLike<number>, at: number) => (box[at + 2]! - box[at]!) * (box[at + 3]! - box[at + 1]!)
  return shared / (area(a, i) + area(b, j) - shared)
}

/**
 * Area under the envelope of precision over recall: between two hits the precision is the largest from there on.
 * @param hits 1 or 0 for each box, the surest first
 */
export function areaUnderPrecision(hits: readonly number[], truths: number): number {
  const precision: number[] = []
  let found = 0
  hits.forEach((hit, index) => {
    if (hit === 0) return
    found += 1
    precision.push(found / (index + 1))
  })
  let area = 0
  let envelope = 0
  for (let index = precision.length - 1; index >= 0; index -= 1) {
    envelope = Math.max(envelope, precision[index]!)
    area += envelope / truths
  }
  return area
}
