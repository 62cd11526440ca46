import { test } from 'tap'
import { type ChooseOptions, chooseMetric } from '../../../src/quantization/accuracy/choose-metric.js'
import type { Metric } from '../../../src/quantization/accuracy/metric.js'

const output = { dtype: 'float32', shape: [1, 10], data: new Float32Array(10) } as const
const single = { dtype: 'float32', shape: [1, 1], data: new Float32Array(1) } as const
const boxes = { dtype: 'float32', shape: [1, 2, 6], data: new Float32Array(12) } as const
const alphabet = ['', 'a']
const modules = new Map<string, Metric>([
  ['./mine.mjs', { name: 'mine', kind: 'share', needsLabels: false, start: () => ({ add: () => 1, value: () => 1 }) }],
])

test('the metric follows what was asked, the bundle, the task, the labels, in that order', async t => {
  const cases: readonly [string, Partial<ChooseOptions>, string, string][] = [
    ['a class label', { label: 3 }, 'top1', 'labels'],
    ['a class label of a model with one output', { label: 3, output: single }, 'rmse', 'labels'],
    ['a number that is no class', { label: 3.5 }, 'signal', 'float'],
    ['a number beyond the classes', { label: 10 }, 'signal', 'float'],
    ['a row of numbers', { label: [1], output: single }, 'rmse', 'labels'],
    ['a text without alphabet', { label: 'a' }, 'signal', 'float'],
    ['a text with alphabet', { label: 'a', judging: { alphabet } }, 'text', 'labels'],
    ['nothing', {}, 'signal', 'float'],
    ['a classifier without labels', { judging: { task: 'classification' } }, 'agreement', 'float'],
    ['a reader without labels', { judging: { task: 'text', alphabet } }, 'text', 'float'],
    ['a regression without labels', { judging: { task: 'regression' } }, 'signal', 'float'],
    ['a detector with labels', { judging: { task: 'detection' }, label: 1 }, 'signal', 'float'],
    ['a detector with boxes', { judging: { task: 'detection' }, label: [0, 0, 1, 1, 2], output: boxes }, 'map', 'labels'],
    ['a detector with boxes that gives no boxes', { judging: { task: 'detection' }, label: [0, 0, 1, 1, 2] }, 'signal', 'float'],
    ['a metric of float, labels or not', { requested: 'cosine', label: 1 }, 'cosine', 'float'],
    ['the five best without labels', { requested: 'topk:5' }, 'agreement', 'float'],
    ['the five best', { requested: 'topk:5', label: 3 }, 'topk:5', 'labels'],
    ['AUC without labels', { requested: 'auc' }, 'signal', 'float'],
    ['a map against that of float', { requested: 'f1:0.3' }, 'f1:0.3', 'float'],
    ['a metric of the user', { requested: './mine.mjs', label: 3, judging: { modules } }, 'mine', 'labels'],
    ['the metric of the bundle before its task', { judging: { task: 'classification', metric: 'signal' }, label: 1 }, 'signal', 'float'],
    ['what was asked before all', { requested: 'agreement', judging: { metric: 'signal' }, label: 1 }, 'agreement', 'float'],
  ]
  for (const [what, options, name, by] of cases) {
    t.match(chooseMetric({ judging: {}, requested: 'auto', label: undefined, output, ...options }), { name, by }, what)
  }
})

test('a metric that the labels do not fit is refused', async t => {
  const cases: readonly Partial<ChooseOptions>[] = [
    { requested: 'top1', label: 'a' },
    { requested: 'text', label: 'a' },
    { requested: 'text', label: 1, judging: { alphabet } },
    { requested: 'rmse', label: 'a' },
    { requested: 'rmse', label: [1, 2] },
    { requested: 'cer', label: 1, judging: { alphabet } },
    { requested: 'auc', label: 'a' },
    { requested: 'f1', label: [1, 2, 3] },
    { requested: 'map', label: [0, 0, 1, 1, 2] },
    { requested: 'none of these' },
    { judging: { metric: 'none of these' } },
  ]
  for (const options of cases) {
    t.throws(() => chooseMetric({ judging: {}, requested: 'auto', label: undefined, output, ...options }), { code: 'ERR_QUANT_METRIC' })
  }
})
