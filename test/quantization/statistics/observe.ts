import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import type { Model } from '../../../src/graph/graph.js'
import type { Tensor } from '../../../src/graph/tensor/tensor.js'
import { measureShapes } from '../../../src/quantization/statistics/measure-shapes.js'
import { observe } from '../../../src/quantization/statistics/observe.js'
import type { StatisticsWanted } from '../../../src/quantization/statistics/statistics.js'
import { buildModel, op } from '../../fixtures/graph-builder.js'
import { memorySamples } from '../../fixtures/quantization/memory-samples.js'

const squares = (opset = 17): Model =>
  buildModel({
    opset,
    inputs: { x: ['float32', ['n', 2, 3]] },
    outputs: { y: ['float32', ['n', 2, 3]] },
    nodes: [op('Mul', ['x', 'x'], 'y')],
  })
const tensor = (...values: number[]): Tensor => ({ dtype: 'float32', shape: [1, 2, 3], data: Float32Array.from(values) })
const inputs = [{ x: tensor(-3, -2, -1, 0, 1, 2) }, { x: tensor(0, 0, 0, 0, 0, 5) }, { x: tensor(1, 1, 1, 2, 2, 2) }]

const wanted: StatisticsWanted = {
  ranges: ['x', 'y'],
  nonNegative: new Set(),
  reducers: ['extremes', 'quantile'],
  quantile: 0.3,
  means: [{ value: 'y', axis: 1 }],
  channels: [
    { value: 'x', axis: 1 },
    { value: 'y', axis: 2 },
  ],
}

interface Options {
  readonly model?: Model
  readonly batch?: number
  readonly feeds?: typeof inputs
  readonly nonNegative?: ReadonlySet<string>
  readonly aggregation?: 'sample' | 'batch'
}

async function observed({ model = squares(), batch = 1, feeds = inputs, nonNegative = new Set(), aggregation = 'sample' }: Options = {}) {
  const [shapes] = await measureShapes({ model, feeds: [feeds[0]!], engine: onnxruntimeEngine })
  return observe({
    model,
    shapes: shapes!,
    samples: memorySamples(feeds),
    sampleCount: feeds.length,
    batch,
    wanted: { ...wanted, nonNegative, aggregation },
    engine: onnxruntimeEngine,
    threads: 1,
    reference: { output: 'y', count: 2 },
  })
}

test('the engine reduces each sample: outermost and mean of extremes, quantiles and channel means', async t => {
  const { statistics, reference } = await observed()
  t.equal(statistics.sampleCount, 3)
  // k = ceil(0.3 * 6) = 2: the second smallest and the second largest of six.
  t.match(statistics.ranges.get('x'), {
    'extremes-outermost': { low: -3, high: 5 },
    'extremes-mean': { low: -2 / 3, high: 3 },
    'quantile-outermost': { low: -2, high: 2 },
    'quantile-mean': { low: -1 / 3, high: 1 },
    'extremes-median': { low: 0, high: 2 },
    'extremes-mean-no-outliers': { low: 0, high: 2 },
  })
  const [first, second] = statistics.means.get('y')!
  t.ok(Math.abs(first! - (14 / 3 + 0 + 1) / 3) < 1e-6, 'first channel')
  t.ok(Math.abs(second! - (5 / 3 + 25 / 3 + 4) / 3) < 1e-6, 'second channel')
  t.same(
    reference.map(({ data }) => [...data]),
    [
      [9, 4, 1, 0, 1, 4],
      [0, 0, 0, 0, 0, 25],
    ],
  )
})

test('the low end of what never lies below 0 is 0, without a look', async t => {
  const { statistics } = await observed({ nonNegative: new Set(['y']) })
  t.match(statistics.ranges.get('y'), { 'extremes-outermost': { low: 0, high: 25 }, 'quantile-mean': { low: 0, high: (4 + 0 + 4) / 3 } })
})

test('each channel has its outermost range, and the medians of its samples', async t => {
  const plain = ({ statistics }: Awaited<ReturnType<typeof observed>>, value: string) =>
    Object.fromEntries(Object.entries(statistics.channels.get(value)!).map(([key, figures]) => [key, [...figures]]))
  for (const batch of [1, 2]) {
    const run = await observed({ batch })
    t.same(plain(run, 'x'), { low: [-3, 0], high: [1, 5], medianLow: [0, 0], medianHigh: [0, 2] }, `batch ${batch}`)
    t.same(
      plain(run, 'y'),
      { low: [0, 0, 0], high: [9, 4, 25], medianLow: [0, 1, 1], medianHigh: [4, 4, 4] },
      `batch ${batch}, another axis`,
    )
  }
  const bounded = plain(await observed({ nonNegative: new Set(['y']) }), 'y')
  t.same(bounded, { low: [0, 0, 0], high: [9, 4, 25], medianLow: [0, 0, 0], medianHigh: [4, 4, 4] }, 'lows that are not looked for are 0')
})

test('several samples in one run give the figures of single samples', async t => {
  const [single, batched] = [await observed(), await observed({ batch: 2 })]
  t.same([...batched.statistics.ranges], [...single.statistics.ranges])
  const means = (from: typeof single) => [...from.statistics.means.get('y')!].map(mean => mean.toFixed(5))
  t.same(means(batched), means(single))
  t.same(batched.reference, single.reference)
})

test('a batch as one observation has the ends of all of its samples', async t => {
  const { statistics } = await observed({ batch: 2, aggregation: 'batch' })
  t.match(statistics.ranges.get('x'), {
    'extremes-outermost': { low: -3, high: 5 },
    'extremes-mean': { low: (-3 + 1) / 2, high: (5 + 2) / 2 },
    'quantile-mean': { low: (-2 + 1) / 2, high: (1 + 2) / 2 },
  })
})

test('reductions are written as the opset wants them', async t => {
  const [later, earlier] = [await observed({ model: squares(21) }), await observed()]
  t.same([...later.statistics.ranges], [...earlier.statistics.ranges])
  t.same([...later.statistics.channels], [...earlier.statistics.channels])
})

test('a value that is not finite names itself and its sample', async t => {
  const feeds = [inputs[0]!, { x: tensor(0, 0, 0, 0, 0, Number.POSITIVE_INFINITY) }]
  await t.rejects(observed({ feeds }), { code: 'ERR_QUANT_RANGE', message: /'x' is not finite on calibration sample 1/ })
  await t.rejects(observed({ feeds: [{ x: tensor(0, 0, 0, 0, 0, Number.NaN) }] }), { code: 'ERR_QUANT_RANGE' })
})

test('no samples are no calibration', async t => {
  const shapes = new Map([
    ['x', [1, 2, 3]],
    ['y', [1, 2, 3]],
  ])
  const options = {
    model: squares(),
    shapes,
    samples: memorySamples([]),
    sampleCount: 0,
    batch: 1,
    wanted,
    engine: onnxruntimeEngine,
    threads: 1,
  }
  await t.rejects(observe({ ...options, reference: { output: 'y', count: 0 } }), { code: 'ERR_QUANT_NO_SAMPLES' })
})
