import { test } from 'tap'
import { onnxruntimeEngine } from '../../../src/engines/onnxruntime/engine.js'
import { measureRangeErrors } from '../../../src/quantization/statistics/measure-range-errors.js'
import { buildModel, op } from '../../fixtures/graph-builder.js'
import { memorySamples } from '../../fixtures/quantization/memory-samples.js'

test('each trial has the sum of squares of what it loses, what is clipped anyway left out', async t => {
  const model = buildModel({ inputs: { x: ['float32', ['n', 4]] }, outputs: { y: ['float32'] }, nodes: [op('Identity', ['x'], 'y')] })
  const samples = memorySamples([{ x: { dtype: 'float32', shape: [1, 4], data: Float32Array.of(-2, 0.25, 1, 300) } }])
  const run = { model, samples, sampleCount: 1, engine: onnxruntimeEngine, threads: 1 }
  const trials = [
    { scale: 1, zeroPoint: 0 },
    { scale: 1, zeroPoint: 2 },
  ]
  const all = await measureRangeErrors({ ...run, values: [{ value: 'x', clip: undefined, trials }] })
  t.same([...all.get('x')!], [4 + 0.0625 + 45 ** 2, 0.0625 + 47 ** 2])
  const clipped = await measureRangeErrors({ ...run, values: [{ value: 'x', clip: { low: 0, high: 6 }, trials }] })
  t.same([...clipped.get('x')!], [0.0625, 0.0625])
})
