import { test } from 'tap'
import { Forecast } from '../../../src/quantization/accuracy-aware/forecast.js'

test('what is left goes by how long the first part took, not by how long it should have taken', async t => {
  const forecast = new Forecast(100)
  t.equal(forecast.leftMs, 100)
  forecast.done(20, 60)
  t.equal(forecast.leftMs, 240, 'three times as slow as planned')
})

test('what was known from before is done, and says nothing of the pace', async t => {
  const forecast = new Forecast(100)
  forecast.done(50, undefined)
  t.equal(forecast.leftMs, 50)
  forecast.done(10, 5)
  t.equal(forecast.leftMs, 20)
})

test('more than was planned leaves nothing, never less', async t => {
  const forecast = new Forecast(10)
  forecast.done(30, 30)
  t.equal(forecast.leftMs, 0)
})
