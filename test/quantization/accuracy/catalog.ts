import { test } from 'tap'
import { metricFamilies, metricNamed, metrics } from '../../../src/quantization/accuracy/catalog.js'

test('a metric is found by its name, a number behind it where it takes one', async t => {
  for (const metric of metrics) t.equal(metricNamed(metric.name), metric)
  t.equal(metricNamed('topk:5').name, 'topk:5')
  t.equal(metricNamed('f1:0.3').name, 'f1:0.3')
  t.equal(metricNamed('f1:-2').name, 'f1:-2')
  t.equal(metricNamed('map:0.75').name, 'map:0.75')
})

test('what is no metric is refused, with what was probably meant', async t => {
  for (const [name, message] of [
    ['tpo1', /did you mean 'top1'/],
    ['accuracy at night', /expected one of .*topk:NUMBER/],
    ['topk', /behind 'topk:' stands how many/],
    ['topk:', /behind 'topk:'/],
    ['topk:0', /behind 'topk:'/],
    ['topk:1.5', /behind 'topk:'/],
    ['topk:five', /behind 'topk:'/],
    ['map:0', /behind 'map:'/],
    ['map:1.1', /behind 'map:'/],
    ['f1:Infinity', /behind 'f1:'/],
    ['top1:3', /no metric 'top1:3'/],
    ['../metric.mjs', /no metric/],
  ] as const) {
    t.throws(() => metricNamed(name), { code: 'ERR_QUANT_METRIC', message }, name)
  }
})

test('names are unlike, and every family has metrics of its name', async t => {
  const names = metrics.map(({ name }) => name)
  t.equal(new Set(names).size, names.length)
  t.same(
    metricFamilies.map(family => family.make(family.name === 'topk' ? 3 : 0.5).name),
    ['map:0.5', 'regions:0.5', 'f1:0.5', 'topk:3'],
  )
})
