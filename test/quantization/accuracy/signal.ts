import { test } from 'tap'
import { Signal, signal } from '../../../src/quantization/accuracy/signal.js'

const tensor = (...values: number[]) => ({ dtype: 'float32', shape: [1, values.length], data: Float32Array.from(values) }) as const

test('the ratio is one of energies over all items', async t => {
  const signal = new Signal()
  signal.add(tensor(3, 4), tensor(3, 4))
  signal.add(tensor(0, 5), tensor(0, 4.5))
  t.ok(Math.abs(signal.snrDb - 10 * Math.log10(50 / 0.25)) < 1e-9)
  t.equal(signal.cosine, 1)
})

test('no noise is 300 dB, no signal is none', async t => {
  const same = new Signal()
  same.add(tensor(1, 2), tensor(1, 2))
  t.equal(same.snrDb, 300)
  const silent = new Signal()
  silent.add(tensor(0, 0), tensor(1, 0))
  t.equal(silent.snrDb, -300)
  t.equal(silent.cosine, 0)
})

test('an item with next to no signal does not decide the cosine, unless int8 sees something there', async t => {
  const faint = new Signal()
  faint.add(tensor(3, 4), tensor(3, 4))
  faint.add(tensor(1e-6, 0), tensor(0, 1e-6))
  t.ok(faint.cosine > 0.999999, String(faint.cosine))
  const seen = new Signal()
  seen.add(tensor(3, 4), tensor(3, 4))
  seen.add(tensor(1e-6, 0), tensor(0, 5))
  t.equal(seen.cosine.toFixed(6), '0.500000')
})

test('the noise as a metric is its share of the energy of float', async t => {
  const tally = signal.start()
  const add = (output: number[], float: number[]) =>
    tally.add({ output: tensor(...output), float: tensor(...float), label: 1, alphabet: [] })
  t.equal(add([3, 3], [3, 4]), 1 / 25)
  t.equal(add([1, 0], [1, 0]), 0)
  t.equal(tally.value(), 1 / 26)
})
