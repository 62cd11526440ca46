import { test } from 'tap'
import { explainLayer } from '../../../src/quantization/report/explain-layer.js'
import type { LayerEntry, QuantizerEntry, Report } from '../../../src/quantization/report/report.js'
import { QuantizeSettings } from '../../../src/quantization/settings.js'

const quantizer = (tensor: string, fields: Partial<QuantizerEntry> = {}): QuantizerEntry => ({
  tensor,
  of: 'activation',
  scheme: 'asymmetric',
  granularity: 'per-tensor',
  codes: 'uint8',
  estimator: 'min-max',
  range: { low: -1, high: 1.55 },
  scale: 0.01,
  zero_point: 100,
  ...fields,
})

const layers: readonly LayerEntry[] = [
  { node: 'c0', op: 'Conv', state: 'int8', macs: 300, snr_db: 30, reads: ['x'], writes: ['c0'], weight: 'w0' },
  { node: 'r0', op: 'Relu', state: 'removed', macs: 0, reads: ['c0'], writes: ['r0'] },
  { node: 'c1', op: 'Conv', state: 'int8', macs: 100, snr_db: 25, reads: ['r0'], writes: ['c1'], weight: 'w1' },
  {
    node: 'softmax',
    op: 'Softmax',
    state: 'float',
    reason: 'Softmax has no integer kernel that is faster than float',
    macs: 0,
    reads: ['c1'],
    writes: ['y'],
  },
]

const report: Report = {
  version: 1,
  model: { name: 'm', sha256: 'a'.repeat(64), opset: 17, bytes: 10_240 },
  result: { sha256: 'b'.repeat(64), bytes: 3072, opset: 17 },
  device: 'cpu-x64-vnni',
  settings: QuantizeSettings.parse({}),
  chosen: { scheme: 'asymmetric', why: 'measured', weight_range: 'full', estimator: 'min-max' },
  samples: { sha256: 'c'.repeat(64), calibration: 300, held_out: 200 },
  coverage: 1,
  integer_kernels: {},
  layers: [...layers],
  quantizers: [
    quantizer('x', { estimator: 'given' }),
    quantizer('r0', { range: { low: 0, high: 2.55 }, zero_point: 0 }),
    quantizer('w0', { of: 'weight', codes: 'int8', scheme: 'symmetric', granularity: 'per-channel', zero_point: 0 }),
  ],
  algorithms: [
    {
      name: 'equalization',
      state: 'applied',
      sentence: 'better',
      gain_db: 3,
      changes: ['2 channels between c0 and c1', 'elsewhere'],
      places: [['c0', 'c1'], ['softmax']],
      seconds: 1,
    },
    { name: 'smooth_quant', state: 'not needed', sentence: 'fine', gain_db: null, changes: [], seconds: 0 },
  ],
  accuracy_aware: {
    reached: true,
    sentence: 'reached',
    estimate_s: 1,
    seconds: 1,
    items: 10,
    ranking_items: 5,
    kept: 0.5,
    steps: [{ step: 'revert', nodes: ['c1'], metrics: { top1: 0.9 }, sentence: "'c1' in float" }],
  },
  notes: ["'w1': its codes are made anew"],
  stages: [],
  engine: { name: 'onnxruntime', version: '1.30.0' },
}

test('a layer is told with its neighbours, its quantizers, its noise and what was done to it', async t => {
  t.equal(
    explainLayer(report, 'c0'),
    `Conv c0: computed in integers

reads          x from the input of the model
writes         c0
read by        Relu r0 (removed)

input          x: uint8 asymmetric per-tensor, brought along by the model, -1 .. 1.55, step 0.01, zero point 100
weights        w0: int8 symmetric per-channel, min-max, -1 .. 1.55, step 0.01, zero point 0
output         r0: uint8 asymmetric per-tensor, min-max, 0 .. 2.55, step 0.01, zero point 0

multiply-adds  300 for one sample (75.0 % of the model)
noise          30.0 dB signal to noise at its output (1 of 2 layers have less)

equalization   2 channels between c0 and c1
`,
  )
})

test('a layer in float says why, one that was reverted or noted about says that', async t => {
  t.match(explainLayer(report, 'softmax'), /computed in float\n {2}Softmax has no integer kernel[\s\S]*an output of the model/)
  const told = explainLayer(report, 'c1')
  t.match(told, /revert +'c1' in float/)
  t.match(told, /note +'w1': its codes are made anew/)
  t.match(told, /noise +25.0 dB.*\n +arrives +30.0 dB from c0/)
})

test('a value is as good as the node that writes it, a wrong name is answered with the nearest', async t => {
  t.equal(explainLayer(report, 'y'), explainLayer(report, 'softmax'))
  t.throws(() => explainLayer(report, 'softmx'), { code: 'ERR_QUANT_LAYER', message: /'softmax'/ })
  t.throws(() => explainLayer(report, 'nothing like it'), { code: 'ERR_QUANT_LAYER', message: /the first are 'c0'/ })
})
