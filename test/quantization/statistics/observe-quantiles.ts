import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import { measureShapes } from '../../../src/quantization/statistics/measure-shapes.js'
import { observe } from '../../../src/quantization/statistics/observe.js'
import { observeQuantiles } from '../../../src/quantization/statistics/observe-quantiles.js'
import { buildModel, op } from '../../fixtures/graph-builder.js'
import { memorySamples } from '../../fixtures/quantization/memory-samples.js'

const model = buildModel({
  inputs: { x: ['float32', ['n', 40]] },
  outputs: { z: ['float32', ['n', 40]] },
  nodes: [op('Relu', ['x'], 'y'), op('Sub', ['y', 'x'], 'z')],
})

/** Samples of another spread each. */
const feeds = Array.from({ length: 70 }, (_, sample) => ({
  x: {
    dtype: 'float32',
    shape: [1, 40],
    data: Float32Array.from({ length: 40 }, (_, at) => (sample + 1) * Math.sin(7 * at + sample)),
  } as const,
}))

for (const count of [5, 70]) {
  test(`quantiles looked at in a second pass over ${count} samples are those that one pass finds together with the extremes`, async t => {
    const [shapes] = await measureShapes({ model, feeds: [feeds[0]!], engine: onnxruntimeEngine })
    const common = { model, shapes: shapes!, samples: memorySamples(feeds), batch: 4, engine: onnxruntimeEngine, threads: 1 }
    const observing = (reducers: readonly ('extremes' | 'quantile')[]) =>
      observe({
        ...common,
        sampleCount: count,
        reference: { output: 'z', count: 0 },
        wanted: { ranges: ['x', 'y', 'z'], nonNegative: new Set(), reducers, quantile: 0.1, means: [] },
      })
    const { statistics } = await observing(['extremes'])
    const quantiles = await observeQuantiles({ ...common, statistics, quantile: 0.1 })
    const together = (await observing(['extremes', 'quantile'])).statistics.ranges
    for (const value of ['x', 'y', 'z']) {
      for (const figure of ['quantile-outermost', 'quantile-mean', 'quantile-median', 'quantile-mean-no-outliers'] as const) {
        t.same(quantiles.get(value)![figure], together.get(value)![figure], `${value} ${figure}`)
      }
    }
    t.ok(quantiles.get('x')!['quantile-mean'].high < together.get('x')!['extremes-mean'].high)
  })
}
