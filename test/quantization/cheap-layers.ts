import { test } from 'tap'
import { cheapNoisyLayers, forecastGain } from '../../src/quantization/cheap-layers.js'
import { buildModel, op, seeded } from '../fixtures/graph-builder.js'
import { placed } from '../fixtures/quantization/quantized.js'
import { seededInputs } from '../fixtures/quantization/small-models.js'

/** A small layer at either end of two large ones. */
const model = () =>
  buildModel({
    inputs: { x: ['float32', ['n', 4]] },
    outputs: { y: ['float32', ['n', 2]] },
    constants: { w1: seeded([4, 64], 1), w2: seeded([64, 64], 2), w3: seeded([64, 64], 3), w4: seeded([64, 2], 4) },
    nodes: [op('MatMul', ['x', 'w1'], 'a'), op('MatMul', ['a', 'w2'], 'b'), op('MatMul', ['b', 'w3'], 'c'), op('MatMul', ['c', 'w4'], 'y')],
  })

const noise = new Map([
  ['a', 1],
  ['b', 10],
  ['c', 11],
  ['y', 15],
])

test('cheap layers come in the order of the noise that they add per multiply-add; dear ones do not', async t => {
  const { placement } = await placed(model(), seededInputs(model(), 1))
  t.same(cheapNoisyLayers({ placement, noise, floor: 0.9 }), ['y', 'a'])
})

test('together they leave the share of integer multiply-adds that is asked for', async t => {
  const { placement } = await placed(model(), seededInputs(model(), 1))
  t.same(cheapNoisyLayers({ placement, noise, floor: 0.98 }), ['y'])
  t.same(cheapNoisyLayers({ placement, noise, floor: 1 }), [])
})

test('a layer that adds nothing stays integer, however cheap it is', async t => {
  const { placement } = await placed(model(), seededInputs(model(), 1))
  t.same(cheapNoisyLayers({ placement, noise: new Map([...noise, ['y', 11]]), floor: 0.9 }), ['a'])
})

test('what a layer gains in float is forecast by its part of all added noise', async t => {
  const { placement } = await placed(model(), seededInputs(model(), 1))
  t.match(forecastGain(placement, noise, 'y').toFixed(3), (10 * Math.log10(15 / 11)).toFixed(3))
  t.ok(forecastGain(placement, noise, 'a') < 0.31)
  t.equal(forecastGain(placement, new Map([['y', 3]]), 'y'), Number.POSITIVE_INFINITY, 'all of the noise')
  t.equal(forecastGain(placement, new Map([...noise, ['y', 11]]), 'y'), 0)
})
