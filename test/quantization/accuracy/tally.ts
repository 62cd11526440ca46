import { test } from 'tap'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'
import { keepsAccuracy } from '../../../src/quantization/accuracy/keeps-accuracy.js'
import { type Demands, type JudgedItem, Tally } from '../../../src/quantization/accuracy/tally.js'
import { QuantizeSettings } from '../../../src/quantization/settings.js'

const row = (...values: number[]): Tensor => ({ dtype: 'float32', shape: [1, values.length], data: Float32Array.from(values) })

const demands = (given: object): Demands => QuantizeSettings.parse(given)

function judged(given: object, items: readonly JudgedItem[], judging = {}) {
  const tally = new Tally(judging, demands(given))
  for (const item of items) tally.add(item)
  return tally.judgement()
}

/** A detector of one class: `wrong` of 100 items, half of them present, that int8 scores on the wrong side. */
const scored = (wrong: number): JudgedItem[] =>
  Array.from({ length: 100 }, (_, index) => {
    const label = index % 2
    const float = row(label === 1 ? 1 : 0)
    return { float, int8: index < wrong ? row(label === 1 ? -1 : 2) : float, label }
  })

test('every demanded metric has its own allowance, and the sentence names the one that fails', async t => {
  const settings = (limit: number) => ({
    metric: 'f1:0.5',
    max_drop: 0.1,
    metrics: [
      { name: 'auc', max_drop: limit },
      { name: 'cosine', max_drop: 0.5 },
    ],
  })
  // One present item at -1, one absent at 2: 50 + 49 of 2500 pairs are lost; of 50 present, 49 are found with one false alarm.
  const kept = judged(settings(0.05), scored(2))
  t.match(kept, { verdict: 'accepted', metric: 'f1:0.5', by: 'labels', items: 100, float: 1, int8: 0.98 })
  t.match(kept.others, [
    { metric: 'auc', by: 'labels', kind: 'share', float: 1, int8: 1 - 99 / 2500, max_drop: 0.05 },
    { metric: 'cosine', by: 'float', float: 1 },
  ])
  t.match(
    kept.sentence,
    /keeps the accuracy: f1:0.5 100.00 % in float, 98.00 % in int8: 2.00 points lost.*; auc 100.00 % .*; cosine against float/,
  )
  const refused = judged(settings(0.03), scored(2))
  t.match(refused, { verdict: 'refused', sentence: /^int8 loses too much accuracy: auc 100.00 % in float, 96.04 % in int8/ })
  t.notMatch(refused.sentence, /f1|cosine/)
  t.notOk(keepsAccuracy(refused))
  t.ok(keepsAccuracy({ ...refused, others: [] }))
})

test('a relative drop is a share of what float has', async t => {
  // Float is right on 50 of 100, int8 on 49: 1 point, 2 % of it.
  const items = Array.from({ length: 100 }, (_, index) => ({
    float: row(1, 0),
    int8: index === 0 ? row(0, 1) : row(1, 0),
    label: index < 50 ? 0 : 1,
  }))
  items[99]!.int8 = row(1, 0)
  t.match(judged({ metric: 'top1', max_drop: 0.015 }, items), { verdict: 'accepted', float: 0.5, int8: 0.49 })
  t.match(judged({ metric: 'top1', max_drop: 0.015, drop: 'relative' }, items), {
    verdict: 'refused',
    drop_kind: 'relative',
    sentence: /top1 50.00 % in float, 49.00 % in int8: 2.00 % of that lost, 1.50 % allowed/,
  })
  t.match(judged({ metric: 'top1', max_drop: 0.02, drop: 'relative' }, items), { verdict: 'accepted' })
})

test('a rate may grow by points, and the noise is one', async t => {
  const alphabet = ['', 'a', 'b']
  const line = (...classes: number[]): Tensor => ({
    dtype: 'float32',
    shape: [1, classes.length, 3],
    data: Float32Array.from(classes.flatMap(best => [0, 1, 2].map(index => (index === best ? 1 : 0)))),
  })
  const items = Array.from({ length: 100 }, (_, index) => ({ float: line(1, 2), int8: index < 2 ? line(1, 1) : line(1, 2), label: 'ab' }))
  // 2 of 200 characters are missing; noise: two steps of one item each at another class, 2 of energy each, of 200.
  const given = (limit: number) => ({ metric: 'cer', max_drop: 0.01, metrics: [{ name: 'signal', max_drop: limit }] })
  t.match(judged(given(0.02), items, { alphabet }), {
    verdict: 'accepted',
    metric: 'cer',
    kind: 'rate',
    float: 0,
    int8: 0.01,
    sentence:
      /cer 0.00 % in float, 1.00 % in int8: 1.00 points more, 1.00 points allowed; noise 2.00 % of the signal \(17.0 dB\), 2.00 % allowed/,
  })
  t.match(judged(given(0.01), items, { alphabet }), { verdict: 'refused', others: [{ metric: 'signal', int8: 0.02 }] })
})

test('what was demanded and cannot be measured is not accepted', async t => {
  const present = scored(0).filter(({ label }) => label === 1)
  const items = [...present, ...present]
  t.match(judged({ metric: 'auc' }, items), { verdict: 'unjudged', float: null, drop: null, sentence: /do not define 'auc'/ })
  const bare = items.map(({ float, int8 }) => ({ float, int8, label: undefined }))
  const demanded = judged({ metric: 'signal', metrics: [{ name: 'auc', max_drop: 0.1 }] }, bare)
  t.match(demanded, { verdict: 'unjudged', sentence: /do not define 'auc'/, others: [{ metric: 'auc', drop: null }] })
  t.ok(keepsAccuracy(demanded), 'a candidate is not turned down for it')
})

test('items without a label are not counted where the others have one', async t => {
  const items = [...scored(0), ...scored(40).map(item => ({ ...item, label: undefined }))]
  t.match(judged({ metric: 'f1:0.5' }, items), { items: 100, int8: 1, verdict: 'accepted' })
  const unknown = [...scored(0), ...scored(40).map(item => ({ ...item, label: -1 }))]
  for (const metric of ['f1:0.5', 'f1', 'auc']) t.match(judged({ metric }, unknown), { items: 100, int8: 1 }, `${metric}: -1 is no label`)
  const classes = (label: number) => Array.from({ length: 100 }, () => ({ float: row(1, 0), int8: row(0, 1), label }))
  t.match(judged({ metric: 'top1' }, [...classes(0), ...classes(-1)]), { items: 100, float: 1, int8: 0 })
})

test('a metric that is not known is refused at the first item', async t => {
  t.throws(() => judged({ metric: 'tpo1' }, scored(0)), { code: 'ERR_QUANT_METRIC' })
  t.throws(() => judged({ metrics: [{ name: 'tpo1', max_drop: 0.1 }] }, scored(0)), { code: 'ERR_QUANT_METRIC' })
  t.throws(() => judged({ metric: 'cer' }, scored(0)), { code: 'ERR_QUANT_METRIC', message: /alphabet/ })
})
