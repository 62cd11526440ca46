import { test } from 'tap'
import { areaUnderPrecision, averagePrecisionAt, meanAveragePrecision } from '../../../src/quantization/accuracy/average-precision.js'
import type { Metric } from '../../../src/quantization/accuracy/metric.js'

type Box = readonly [x1: number, y1: number, x2: number, y2: number, score: number, name: number]
type Truth = readonly [x1: number, y1: number, x2: number, y2: number, name: number]

function added(items: readonly { boxes: readonly Box[]; truths: readonly Truth[] }[], metric: Metric = meanAveragePrecision) {
  const tally = metric.start()
  const figures = items.map(({ boxes, truths }) => {
    const output = { dtype: 'float32', shape: [1, boxes.length, 6], data: Float32Array.from(boxes.flat()) } as const
    return tally.add({ output, float: output, label: truths.flat(), alphabet: [] })
  })
  return { value: tally.value(), figures }
}

const near = (found: number, wanted: number) => Math.abs(found - wanted) < 1e-7

test('the area lies under the envelope of the precision, exactly', async t => {
  // hit, miss, hit of 3 truths: precision 1 at recall 1/3, 2/3 at recall 2/3, the third is never found.
  t.ok(near(areaUnderPrecision([1, 0, 1], 3), (1 + 2 / 3) / 3))
  // miss, hit, hit: precision 1/2, 2/3; the envelope lifts the first to 2/3.
  t.ok(near(areaUnderPrecision([0, 1, 1], 2), 2 / 3))
  t.equal(areaUnderPrecision([1, 1], 2), 1)
  t.equal(areaUnderPrecision([1, 1, 0, 0], 2), 1, 'misses below the last hit cost nothing')
  t.equal(areaUnderPrecision([], 2), 0)
})

test('boxes are matched by class and overlap, the surest first, each truth once', async t => {
  const truth: Truth = [0, 0, 10, 10, 0]
  const good: Box = [0, 0, 10, 10, 0.9, 0]
  t.same(added([{ boxes: [good], truths: [truth] }]), { value: 1, figures: [1] })
  t.equal(added([{ boxes: [[...good.slice(0, 5), 1] as unknown as Box], truths: [truth] }]).value, 0, 'another class')
  // IoU of [0,10]x[0,10] with [0,10]x[0,5] is 50 of 100: just enough; with [0,10]x[0,4.9] it is not.
  t.equal(added([{ boxes: [[0, 0, 10, 5, 0.9, 0]], truths: [truth] }]).value, 1)
  t.equal(added([{ boxes: [[0, 0, 10, 4.9, 0.9, 0]], truths: [truth] }]).value, 0)
  // Two boxes on one truth: the surer is the hit, the other a miss below it.
  t.equal(added([{ boxes: [[0, 0, 10, 9, 0.5, 0], good], truths: [truth] }]).value, 1)
  // The surer one misses: precision 1/2.
  t.equal(added([{ boxes: [[50, 50, 60, 60, 0.95, 0], good], truths: [truth] }]).value, 0.5)
  t.equal(added([{ boxes: [good, [3, 3, 3, 3, 0, 0]], truths: [truth, [20, 20, 30, 30, 0]] }]).value, 0.5, 'rows of score 0 are padding')
})

test('a box takes the free truth that it overlaps most', async t => {
  const truths: Truth[] = [
    [0, 0, 10, 10, 0],
    [2, 0, 12, 10, 0],
  ]
  // The first box lies on the second truth; the second box, less sure, overlaps both and takes the one left.
  const { value } = added([
    {
      boxes: [
        [2, 0, 12, 10, 0.9, 0],
        [1, 0, 11, 10, 0.8, 0],
      ],
      truths,
    },
  ])
  t.equal(value, 1)
})

test('scores compete over all items, and classes count alike', async t => {
  const { value, figures } = added([
    { boxes: [[0, 0, 1, 1, 0.6, 0]], truths: [[0, 0, 1, 1, 0]] },
    // A false alarm of class 0 that is surer than the hit: precision 1/2 for class 0. Class 1 is found: 1.
    {
      boxes: [
        [5, 5, 6, 6, 0.75, 0],
        [0, 0, 1, 1, 0.5, 1],
      ],
      truths: [[0, 0, 1, 1, 1]],
    },
    // Nothing labelled here; class 7 is labelled nowhere and has no part in the mean.
    { boxes: [[0, 0, 1, 1, 0.25, 7]], truths: [] },
  ])
  t.equal(value, 0.75)
  t.same(figures, [1, 0.5, 0.75])
})

test('a label may be padded with NaN, and another overlap asked for', async t => {
  const output = { dtype: 'float32', shape: [2, 6], data: Float32Array.of(0, 0, 10, 7, 0.9, 0, 0, 0, 0, 0, 0, 0) } as const
  const nan = Number.NaN
  const item = { output, float: output, label: [0, 0, 10, 10, 0, nan, nan, nan, nan, nan], alphabet: [] }
  t.equal(meanAveragePrecision.start().add(item), 1)
  const strict = averagePrecisionAt.make(0.75)
  t.equal(strict.name, 'map:0.75')
  t.equal(strict.start().add(item), 0)
  t.ok(Number.isNaN(meanAveragePrecision.start().value()), 'no class is labelled')
})

test('what are no rows of boxes is refused', async t => {
  const output = { dtype: 'float32', shape: [1, 2, 5], data: new Float32Array(10) } as const
  const item = { output, float: output, label: [0, 0, 1, 1, 0], alphabet: [] }
  t.throws(() => meanAveragePrecision.start().add(item), { code: 'ERR_QUANT_METRIC' })
  t.throws(() => added([{ boxes: [], truths: [[1, 2, 3] as unknown as Truth] }]), { code: 'ERR_QUANT_METRIC' })
})
