import { test } from 'tap'
import { areaUnderCurve, auc } from '../../../src/quantization/accuracy/auc.js'
import type { Label } from '../../../src/samples/sample.js'

const tensor = (shape: number[], ...values: number[]) => ({ dtype: 'float32', shape, data: Float32Array.from(values) }) as const

function added(items: readonly [Label | undefined, ReturnType<typeof tensor>][]) {
  const tally = auc.start()
  const figures = items.map(([label, output]) => tally.add({ output, float: output, label, alphabet: [] }))
  return { value: tally.value(), figures }
}

test('the area is the share of pairs in order, ties half', async t => {
  // scikit-learn's own example: roc_auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]) is 0.75.
  t.equal(areaUnderCurve([0.35, 0.8], [0.1, 0.4]), 0.75)
  t.equal(areaUnderCurve([1, 2, 3], [0, 0.5]), 1)
  t.equal(areaUnderCurve([0], [1, 2]), 0)
  t.equal(areaUnderCurve([1, 1], [1]), 0.5)
  // Pairs: 2 > 1, 2 = 2, 3 > 1, 3 > 2: 3.5 of 4.
  t.equal(areaUnderCurve([2, 3], [1, 2]), 0.875)
  t.equal(areaUnderCurve([10, 9, 2], [-1e9, 9]), (2 + 1.5 + 1) / 6, 'not in the order of their digits')
})

test('without both kinds, or with scores that are no numbers, there is no area', async t => {
  for (const [present, absent] of [
    [[], []],
    [[1], []],
    [[], [1]],
    [[Number.NaN], [1]],
    [
      [1, 2],
      [0, Number.NaN],
    ],
  ] as const) {
    t.ok(Number.isNaN(areaUnderCurve(present, absent)), `${present} | ${absent}`)
  }
})

test('an item scores by its value, the second of two, or its best anchor', async t => {
  t.match(
    added([
      [1, tensor([1, 1], 0.8)],
      [0, tensor([1, 1], 0.3)],
    ]),
    { value: 1, figures: [Math.fround(0.8), -Math.fround(0.3)] },
  )
  t.match(
    added([
      [1, tensor([1, 2], 2, 1)],
      [0, tensor([1, 2], 0, -2)],
    ]),
    { value: 1, figures: [-1, 2] },
    'softmax or logits of absent and present',
  )
  t.match(
    added([
      [1, tensor([1, 3, 1], -5, 4, 1)],
      [0, tensor([1, 3, 1], 3, -9, 2)],
    ]),
    { value: 1, figures: [4, -3] },
  )
})

test('a row of labels speaks of the frames of an item, those below 0 and NaN of none', async t => {
  const { value, figures } = added([
    [[1, 0, -1], tensor([1, 3], 0.5, 0.25, 9)],
    [[0, Number.NaN, 1], tensor([1, 3, 1], 0.5, -9, 1)],
    [-1, tensor([1, 1], 7)],
  ])
  // Present 0.5, 1 against absent 0.25, 0.5: 3.5 of 4 pairs.
  t.equal(value, 0.875)
  t.same(figures, [0.125, 0.25, 0])
})

test('a label that is neither 0 nor 1 is refused, and so is a text', async t => {
  for (const label of [2, 0.5, 'yes', [1, 0], undefined]) {
    t.throws(() => added([[label, tensor([1, 3], 1, 2, 3)]]), { code: 'ERR_QUANT_METRIC' }, JSON.stringify(label))
  }
})
