import { test } from 'tap'
import { Patience } from '../../../src/gateway/serving/patience.js'

const route = { model: 'm', version: '2' }

test('patience is 20 times the usual call within 1 and 2 s, and 4 times that of a slow model', async t => {
  for (const [usualMs, limitMs] of [
    [0.2, 1000],
    [50, 1000],
    [80, 1600],
    [300, 2000],
    [900, 3600],
  ] as const) {
    const patience = new Patience()
    for (let call = 0; call < 100; call += 1) patience.add(route, usualMs)
    t.equal(patience.limitMs(route), limitMs, `${usualMs} ms`)
    t.equal(patience.limitMs({ ...route, version: '3' }), 2000, 'another version has not answered yet')
  }
})

test('a few calls that hung change nothing, a model that became slow does', async t => {
  const patience = new Patience()
  for (let call = 0; call < 5; call += 1) patience.add(route, 4)
  for (let call = 0; call < 4; call += 1) patience.add(route, 30_000)
  t.equal(patience.limitMs(route), 1000)
  for (let call = 0; call < 64; call += 1) patience.add(route, 700)
  t.equal(patience.limitMs(route), 2800)
})
