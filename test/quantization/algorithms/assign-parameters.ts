import { test } from 'tap'
import { assignParameters } from '../../../src/quantization/algorithms/assign-parameters.js'
import type { Placement, Quantizer } from '../../../src/quantization/placement/placement.js'
import { minMax } from '../../../src/quantization/ranges/min-max.js'
import { observedOf } from '../../fixtures/quantization/observed.js'

function parametersOf(quantizers: readonly Quantizer[], low: number, high: number) {
  const placement: Placement = {
    units: new Map(),
    layers: [],
    quantizers: new Map(quantizers.map(quantizer => [quantizer.value, quantizer])),
  }
  const observed = observedOf([{ extremes: [low, high], quantile: [low, high] }])
  return assignParameters({
    placement,
    statistics: {
      sampleCount: 1,
      ranges: new Map(quantizers.map(({ value }) => [value, observed])),
      means: new Map(),
      channels: new Map(),
    },
    mode: 'asymmetric',
    estimatorOf: () => minMax,
    refined: new Map(),
  })
}

const plain = { value: 'v', root: 'v', at: 'produced', signed: false } as const

test('a folded Clip bounds the range: its scale is at most a 255th of it', async t => {
  const { scale, zeroPoint } = parametersOf([{ ...plain, clip: { low: 0, high: 6 } }], -4, 9).get('v')!.quantize
  t.equal(scale, Math.fround(6 / 255))
  t.equal(zeroPoint, 0)
})

test('values that move share what their root has', async t => {
  const parameters = parametersOf([plain, { ...plain, value: 'moved', root: 'v' }], -1, 3)
  t.same(parameters.get('moved')!.dequantize, parameters.get('v')!.dequantize)
})

test('int8 quantizers are symmetric about 0', async t => {
  t.equal(parametersOf([{ ...plain, signed: true }], -1, 3).get('v')!.quantize.zeroPoint, 128)
  t.equal(parametersOf([{ ...plain, signed: true }], 0, 3).get('v')!.quantize.zeroPoint, 128, 'also where nothing lies below 0')
})

test('a folded scale and shift relabels codes: the same code stands for x and for multiply * x + add', async t => {
  for (const [multiply, add] of [
    [0.8, -0.25],
    [2.5, 1.3],
    [0.1, 0.0001],
    [0.5, 0],
  ] as const) {
    const { quantize, dequantize, offset } = parametersOf([{ ...plain, scaleShift: { multiply, add } }], -0.3, 2.9).get('v')!
    for (const code of [0, 17, 128, 255]) {
      const x = quantize.scale * (code - quantize.zeroPoint)
      const y = dequantize.scale * (code - dequantize.zeroPoint)
      t.ok(Math.abs(multiply * x + add - y - offset) < 1e-5, `${multiply} * x + ${add}: code ${code}`)
    }
    t.ok(Math.abs(offset) <= dequantize.scale / 2, `${multiply} * x + ${add}: at most half a step is left over`)
    t.ok(dequantize.scale * (255 - dequantize.zeroPoint) >= 2.9 - dequantize.scale, 'the range is still reached')
  }
})

test('where an activation saturates below 0, its plateau is a whole number of steps', async t => {
  const plateaued = parametersOf([{ ...plain, plateau: -1 }], -1, 44).get('v')!.quantize
  t.same(plateaued, { scale: Math.fround(1 / 5), zeroPoint: 5 }, 'five steps, where the range alone gives 5.64')
  t.ok((255 - plateaued.zeroPoint) * plateaued.scale >= 44, 'and the other end is reached')
  const [rounded, wide, unreached] = [
    parametersOf([plain], -1, 44),
    parametersOf([{ ...plain, plateau: -1 }], -1, 300),
    parametersOf([{ ...plain, plateau: -1 }], -0.5, 44),
  ].map(parameters => parameters.get('v')!.quantize)
  t.not(Math.round(1 / rounded!.scale) * rounded!.scale, 1)
  t.same(wide, parametersOf([plain], -1, 300).get('v')!.quantize, 'not when the step would double')
  t.same(unreached, parametersOf([plain], -0.5, 44).get('v')!.quantize, 'nor where nothing stands on it')
})
