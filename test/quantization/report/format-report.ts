import { test } from 'tap'
import { formatReport } from '../../../src/quantization/report/format-report.js'
import type { Report } from '../../../src/quantization/report/report.js'
import { QuantizeSettings } from '../../../src/quantization/settings.js'

const report: Report = {
  version: 1,
  model: { name: 'reader', sha256: 'a'.repeat(64), opset: 9, lifted_to: 17, bytes: 10_240 },
  result: { sha256: 'b'.repeat(64), bytes: 3072, opset: 17 },
  device: 'cpu-x64-vnni',
  settings: QuantizeSettings.parse({}),
  chosen: { scheme: 'asymmetric', why: 'measured', weight_range: 'full', estimator: 'quantile' },
  samples: { sha256: 'c'.repeat(64), calibration: 300, held_out: 200 },
  coverage: 0.987,
  integer_kernels: { QGemm: 1, QLinearConv: 20 },
  layers: [
    { node: 'c0', op: 'Conv', state: 'int8', macs: 900, snr_db: 12.34 },
    { node: 'c1', op: 'Conv', state: 'float', reason: 'because', macs: 100 },
    { node: 'r', op: 'Relu', state: 'removed', macs: 0 },
  ],
  quantizers: [],
  notes: ['a note'],
  stages: [{ stage: 'observe', seconds: 7.5 }],
  engine: { name: 'onnxruntime', version: '1.30.0' },
  judgement: {
    verdict: 'refused',
    sentence: 'it is slow',
    metric: 'text',
    by: 'labels',
    items: 200,
    float: 1,
    int8: 0.99,
    drop: 0.01,
    max_drop: 0.03,
    agreement: 0.98,
    snr_db: 17.2,
    cosine: 0.99,
  },
}

test('the text says the verdict first, then what was done and why', async t => {
  t.equal(
    formatReport(report),
    `reader: float 10 KiB (opset 9, lifted to 17) -> int8 3 KiB for cpu-x64-vnni

REFUSED      it is slow
output       signal to noise 17.2 dB, cosine 0.99000, same largest output as float in 98.0 % (200 items)
coverage     98.7 % of the multiply-adds in integer kernels (1 QGemm, 20 QLinearConv)
activations  asymmetric, quantile: measured
weights      symmetric per channel, full range, biases corrected
samples      300 for calibration, 200 held out
note         a note
size         10 KiB -> 3 KiB (30.0 %)

layers       1 int8, 0 codes, 1 float, 1 removed
float with multiply-adds:
  Conv c1: because
least signal to noise at the outputs of:
    12.3 dB  Conv c0

stages       observe 7.50 s
engine       onnxruntime 1.30.0
sha256       float aaaaaaaaaaaaaaaa, int8 bbbbbbbbbbbbbbbb, samples cccccccccccccccc
`,
  )
})

test('a model of many layers still fits a page', async t => {
  const layers = Array.from({ length: 400 }, (_, at) => ({
    node: `c${at}`,
    op: 'Conv',
    state: at % 2 === 0 ? ('int8' as const) : ('float' as const),
    reason: 'x',
    macs: 1,
    snr_db: at,
  }))
  t.ok(formatReport({ ...report, layers }).split('\n').length < 60)
})

test('an accuracy-aware run is told by its result, its times and its steps, a page of them at most', async t => {
  const step = (index: number) => ({ step: 'revert' as const, nodes: ['c'], metrics: { top1: 0.9 }, sentence: `'c${index}' in float` })
  const aware = { reached: true, sentence: 'reached', estimate_s: 9.4, seconds: 12.6, items: 300, ranking_items: 100, kept: 0.9 }
  const lines = (count: number) =>
    formatReport({ ...report, accuracy_aware: { ...aware, steps: Array.from({ length: count }, (_, index) => step(index)) } })
      .split('\n')
      .filter(line => /^aware|in float|more steps/.test(line))
  t.same(lines(2), [
    'aware        reached (9 s were expected, 13 s taken, 300 items)',
    "  revert     'c0' in float",
    "  revert     'c1' in float",
  ])
  t.equal(lines(33).length, 32)
  t.equal(lines(33).at(-1), '  and 3 more steps')
})

test('what was tried, what it gained and what a run takes stand in a line each', async t => {
  const step = { sentence: '10.0 dB without it, 14.0 dB with it', seconds: 1 }
  const text = formatReport({
    ...report,
    judgement: { ...report.judgement!, timing: { float_us: 600, int8_us: 150, ratio: 0.25, low: 0.24, high: 0.26, rounds: 9 } },
    algorithms: [
      { ...step, name: 'equalization', state: 'applied', gain_db: 4, changes: ['a', 'b'] },
      { ...step, name: 'channel_alignment', state: 'off', gain_db: null, changes: [] },
      { ...step, name: 'smooth_quant', state: 'nothing to do', gain_db: null, changes: [] },
    ],
    candidates: [
      { name: 'plain', snr_db: 10, drop: null, chosen: false },
      { name: 'equalized', snr_db: 14, drop: null, chosen: true },
    ],
    layers: [
      { node: 'c0', op: 'Conv', state: 'int8', macs: 900, snr_db: 12.34, reads: ['x'], writes: ['c0'] },
      { node: 'r0', op: 'Relu', state: 'removed', macs: 0, reads: ['c0'], writes: ['r0'] },
    ],
    quantizers: [
      {
        tensor: 'r0',
        of: 'activation',
        scheme: 'symmetric',
        granularity: 'per-tensor',
        codes: 'uint8',
        estimator: 'quantile',
        range: { low: 0, high: 2.55 },
        scale: 0.01,
        zero_point: 0,
      },
    ],
  })
  for (const line of [
    'size         10 KiB -> 3 KiB (30.0 %); one run 0.600 ms -> 0.150 ms (ratio 0.25, 0.24 to 0.26 in 95 %)',
    'algorithm    equalization applied in 2 places, +4.0 dB: 10.0 dB without it, 14.0 dB with it',
    'other steps  channel_alignment off, smooth_quant nothing to do',
    'candidates   2 measured: plain 10.0 dB; equalized 14.0 dB (chosen)',
    '    12.3 dB  Conv c0  uint8 symmetric per-tensor, quantile, 0 .. 2.55, step 0.01, zero point 0',
  ])
    t.ok(text.split('\n').includes(line), line)
})

test('the forms that were put side by side follow as a table, behind the sentence of why', async t => {
  const form = {
    device: 'cpu0',
    engine: 'onnxruntime',
    scheme: null,
    metric: 'text',
    value: 1,
    load_ms: 9,
    memory_mib: 9,
    why: 'it is so',
  } as const
  const choice: Report['choice'] = [
    { ...form, version: '1', precision: 'float32', drop: 0, ms: 1, ratio: 1, verdict: 'reference', chosen: false },
    { ...form, version: '2', precision: 'int8', drop: 0.01, ms: 0.3, ratio: 0.3, verdict: 'refused', chosen: false },
    { ...form, version: '3', precision: 'float32', prepared: true, drop: 0, ms: 0.6, ratio: 0.6, verdict: 'accepted', chosen: true },
  ]
  const lines = formatReport({ ...report, choice }).split('\n')
  const at = lines.findIndex(line => line.startsWith('forms'))
  t.equal(
    lines[at],
    'forms        prepared float32 on onnxruntime at 0.60 is the fastest allowed, before int8 on onnxruntime 0.30 of the time of float, refused',
  )
  t.match(lines[at + 1], /version +device +engine/)
  t.match(lines[at + 4], /^\* {2}3 +cpu0 +onnxruntime +float32, prepared/)
})
