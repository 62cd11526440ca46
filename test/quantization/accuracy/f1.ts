import { test } from 'tap'
import { f1, thresholdF1 } from '../../../src/quantization/accuracy/f1.js'
import type { Metric } from '../../../src/quantization/accuracy/metric.js'
import type { Label } from '../../../src/samples/sample.js'

const tensor = (shape: number[], ...values: number[]) => ({ dtype: 'float32', shape, data: Float32Array.from(values) }) as const
type Output = ReturnType<typeof tensor>

function added(metric: Metric, items: readonly (readonly [Label | undefined, Output, Output?])[]) {
  const tally = metric.start()
  const figures = items.map(([label, output, float = output]) => tally.add({ output, float, label, alphabet: [] }))
  return { value: tally.value(), figures }
}

const ofClass = (best: number, classes = 3) =>
  tensor([1, classes], ...Array.from({ length: classes }, (_, index) => (index === best ? 1 : 0)))

test('F1 of several classes is the plain mean over those that occur', async t => {
  // scikit-learn's own example: f1_score([0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1], average='macro') is 0.2666...
  const [labels, answers] = [
    [0, 1, 2, 0, 1, 2],
    [0, 2, 1, 0, 0, 1],
  ]
  const { value, figures } = added(
    f1,
    labels.map((label, index) => [label, ofClass(answers[index]!)] as const),
  )
  t.equal(value, 0.8 / 3)
  t.same(figures, [1, 0, 0, 1, 0, 0])
  t.equal(added(f1, [[1, ofClass(1)]]).value, 1, 'classes that do not occur have no part')
  t.equal(added(f1, [[1, ofClass(2)]]).value, 0)
})

test('one score per item is the positive class above one half', async t => {
  const items = (
    [
      [1, 0.9],
      [1, 0.2],
      [0, 0.7],
      [0, 0.1],
      [1, 0.6],
    ] as const
  ).map(([label, score]) => [label, tensor([1, 1], score)] as const)
  // TP 2, FN 1, FP 1.
  t.equal(added(f1, items).value, 4 / 6)
})

test('a row of labels speaks of steps or pixels, wherever their classes lie', async t => {
  // Two classes, two pixels: classes along the last axis, then along axis 1.
  const label = [0, 1]
  const last = tensor([1, 2, 2], 9, 1, 1, 9)
  const channels = tensor([1, 2, 1, 2, 1], 9, 1, 1, 9)
  t.same(added(f1, [[label, last]]), { value: 1, figures: [1] })
  t.same(added(f1, [[label, channels]]), { value: 1, figures: [1] })
  t.same(added(f1, [[[0, -1, 1], tensor([1, 3, 2], 9, 1, 9, 1, 9, 1)]]).figures, [0.5], 'a class below 0 is not known')
})

test('channels of a map are told from its width', async t => {
  // [1, 2 classes, 2 x 3 pixels]: class 1 where its plane is larger.
  const planes = tensor([1, 2, 2, 3], 0, 5, 0, 5, 0, 5, 1, 1, 1, 1, 1, 1)
  t.same(added(f1, [[[1, 0, 1, 0, 1, 0], planes]]), { value: 1, figures: [1] })
})

test('without labels float says what is right', async t => {
  t.same(
    added(f1, [
      [undefined, ofClass(1), ofClass(1)],
      [undefined, ofClass(0), ofClass(2)],
    ]),
    { value: 1 / 3, figures: [1, 0] },
  )
})

test('a map is thresholded against that of float, or against its labels', async t => {
  const metric = thresholdF1.make(0.3)
  t.equal(metric.name, 'f1:0.3')
  const float = tensor([1, 1, 2, 2], 0.9, 0.8, 0.1, 0.2)
  // Found by both: 1; by float alone: 1; by int8 alone: 1.
  const int8 = tensor([1, 1, 2, 2], 0.4, 0.2, 0.5, 0)
  const empty = tensor([1, 1, 2, 2], 0, 0, 0, 0)
  t.same(
    added(metric, [
      [undefined, int8, float],
      [undefined, empty, empty],
      [undefined, float, float],
    ]),
    {
      value: (2 * 3) / 8,
      figures: [0.5, 1, 1],
    },
  )
  t.equal(added(metric, [[[1, 1, 0, 0], int8]]).value, 0.5)
  t.equal(added(metric, [[[1, Number.NaN, -1, 0], int8]]).value, 1, 'what is not known is not counted')
})

test('one label for a map asks whether anything is found in it', async t => {
  const metric = thresholdF1.make(0.5)
  t.equal(
    added(metric, [
      [1, tensor([1, 3], 0, 0.6, 0)],
      [0, tensor([1, 3], 0.1, 0.2, 0.5)],
      [1, tensor([1, 3], 0, 0, 0)],
    ]).value,
    2 / 3,
  )
})

test('labels that do not fit the output are refused', async t => {
  for (const [metric, label] of [
    [f1, 'a'],
    [f1, 3],
    [f1, 0.5],
    [f1, [1, 2]],
    [thresholdF1.make(0.5), [1, 0]],
    [thresholdF1.make(0.5), 'a'],
  ] as const) {
    t.throws(() => added(metric, [[label, ofClass(1)]]), { code: 'ERR_QUANT_METRIC' }, `${metric.name} ${JSON.stringify(label)}`)
  }
})
