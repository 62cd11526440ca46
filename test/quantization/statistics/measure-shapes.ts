import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import { int } from '../../../src/graph/node.js'
import { batchSize } from '../../../src/quantization/statistics/batch-size.js'
import { measureShapes } from '../../../src/quantization/statistics/measure-shapes.js'
import { buildModel, floats, i64, op } from '../../fixtures/graph-builder.js'

const model = () =>
  buildModel({
    inputs: { x: ['float32', ['n', 2, 'w']] },
    outputs: { y: ['float32'] },
    constants: { flat: i64([2], [0, -1]), all: i64([1], [-1]) },
    nodes: [
      op('Relu', ['x'], 'r'),
      op('Shape', ['r'], 's'),
      op('Reshape', ['r', 'flat'], 'f'),
      op('Softmax', ['f'], 'y', { axis: int(1) }),
    ],
  })

test('every float value has its shape, values of other types have none', async t => {
  const [shapes] = await measureShapes({ model: model(), feeds: [{ x: floats([1, 2, 5]) }], engine: onnxruntimeEngine })
  t.same(Object.fromEntries(shapes!), { x: [1, 2, 5], r: [1, 2, 5], f: [1, 10], y: [1, 10] })
})

test('samples may share a run where twice as many double axis 0 of everything and nothing else', async t => {
  const feeds = [{ x: floats([1, 2, 5]) }, { x: floats([2, 2, 5]) }]
  const [single, doubled] = await measureShapes({ model: model(), feeds, engine: onnxruntimeEngine })
  t.ok(batchSize(single!, doubled) > 1)
  const flattening = buildModel({
    inputs: { x: ['float32', ['n', 2, 'w']] },
    outputs: { y: ['float32'] },
    constants: { all: i64([1], [-1]) },
    nodes: [op('Reshape', ['x', 'all'], 'y')],
  })
  const [one, two] = await measureShapes({ model: flattening, feeds, engine: onnxruntimeEngine })
  t.equal(batchSize(one!, two), 1, 'axis 0 of y counts elements')
  t.equal(batchSize(one!, undefined), 1, 'two samples do not run')
  t.equal(batchSize(new Map([['x', [1, 9_000_000]]]), new Map([['x', [2, 9_000_000]]])), 1, 'large values are run one by one')
})

test('a model that takes no two samples answers for one', async t => {
  const fixed = buildModel({
    inputs: { x: ['float32', ['n', 4]] },
    outputs: { y: ['float32'] },
    constants: { two: i64([2], [2, 2]) },
    nodes: [op('Reshape', ['x', 'two'], 'y')],
  })
  const [single, doubled] = await measureShapes({
    model: fixed,
    feeds: [{ x: floats([1, 4]) }, { x: floats([2, 4]) }],
    engine: onnxruntimeEngine,
  })
  t.same(single!.get('y'), [2, 2])
  t.equal(doubled, undefined)
})
