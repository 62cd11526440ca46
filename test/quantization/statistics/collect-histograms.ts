import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import { collectHistograms, spread, strideOf } from '../../../src/quantization/statistics/collect-histograms.js'
import { buildModel, op } from '../../fixtures/graph-builder.js'
import { memorySamples } from '../../fixtures/quantization/memory-samples.js'
import { observedOf } from '../../fixtures/quantization/observed.js'

const model = buildModel({ inputs: { x: ['float32', [1, 8]] }, outputs: { y: ['float32'] }, nodes: [op('Abs', ['x'], 'y')] })
const feed = (...values: number[]) => ({ x: { dtype: 'float32' as const, shape: [1, 8], data: Float32Array.from(values) } })
const seen = (low: number, high: number) => observedOf([{ extremes: [low, high], quantile: [low, high] }])

test('every value is counted over the range that was observed of it', async t => {
  const histograms = await collectHistograms({
    model,
    shapes: new Map([
      ['x', [1, 8]],
      ['y', [1, 8]],
    ]),
    statistics: {
      sampleCount: 2,
      ranges: new Map([
        ['x', seen(-10.235, 10.235)],
        ['y', seen(0, 20.47)],
      ]),
    },
    samples: memorySamples([feed(-3, -3, 0, 0, 0, 1, 1, 2), feed(-3, 5, 5, 5, 0, 0, 0, 0)]),
    engine: onnxruntimeEngine,
    threads: 1,
  })
  const at = (name: string, value: number) => {
    const { counts, width, zero } = histograms.get(name)!
    return counts[zero + Math.round(value / width)]
  }
  t.same(
    [-3, 0, 1, 2, 5].map(value => at('x', value)),
    [3, 7, 2, 1, 3],
  )
  t.same(
    [0, 1, 2, 3, 5].map(value => at('y', value)),
    [7, 2, 1, 3, 3],
  )
})

test('a stride meets all channels and leaves at most the wanted elements', async t => {
  for (const count of [64 * 28 * 28, 96 * 56 * 56, 32_768, 100_001]) {
    const stride = strideOf(count, 16_384)
    t.ok(Math.ceil(count / stride) <= 16_384, `${count} / ${stride}`)
    for (const channels of [2, 3, 7, 32]) {
      if (count % channels !== 0) continue
      const met = new Set(Array.from({ length: 200 }, (_, i) => (i * stride) % channels))
      t.equal(met.size, channels, `${count}, ${channels} channels last`)
    }
  }
  t.equal(strideOf(100, 16_384), 1)
})

test('samples are taken evenly', async t => {
  t.same(spread(3, 32), [0, 1, 2])
  t.same(spread(300, 4), [0, 75, 150, 225])
})

test('of a part of the samples twice as many are looked at', async t => {
  const samples = memorySamples(Array.from({ length: 100 }, () => feed(0, 1, 2, 3, 4, 5, 6, 7)))
  const counted = async (observedOn: 'all' | 'part', size: number) => {
    const histograms = await collectHistograms({
      model,
      shapes: new Map([['x', [1, size]]]),
      statistics: { sampleCount: 100, ranges: new Map([['x', seen(0, 7)]]) },
      samples,
      observedOn,
      engine: onnxruntimeEngine,
      threads: 1,
    })
    return histograms.get('x')!.counts.reduce((sum, count) => sum + count, 0)
  }
  t.equal(await counted('all', 8), 32 * 8)
  t.equal(await counted('part', 8), 64 * 8)
  // Each element costs the engine: of a model with large values no more samples are run.
  t.ok((await counted('part', 8_000_000)) < 64, 'one element of each of 32 samples')
})
