import { test } from 'tap'
import { LatencyWindow } from '../../../src/gateway/serving/latency-window.js'

test('quantiles are of the last 1024 answers', async t => {
  const window = new LatencyWindow()
  t.same(window.quantiles(), { p50Ms: 0, p99Ms: 0 })
  for (let index = 0; index < 100; index += 1) window.add(index, 0)
  t.same(window.quantiles(), { p50Ms: 50, p99Ms: 99 })
  for (let index = 0; index < 1024; index += 1) window.add(5, 0)
  t.same(window.quantiles(), { p50Ms: 5, p99Ms: 5 })
})

test('the rate is of the last nine full seconds and falls to zero without answers', async t => {
  const window = new LatencyWindow()
  for (let second = 0; second < 30; second += 1) for (let index = 0; index < 7; index += 1) window.add(1, second * 1000 + index)
  t.equal(window.rate(30_000), 7)
  t.equal(window.rate(38_500), 7 / 9)
  t.equal(window.rate(45_000), 0)
})
