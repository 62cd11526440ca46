import { test } from 'tap'
import { formatChoice } from '../../../src/quantization/report/choice-table.js'
import type { ChoiceEntry } from '../../../src/quantization/report/report.js'

const row: ChoiceEntry = {
  version: '1',
  device: 'cpu0',
  engine: 'onnxruntime',
  precision: 'float32',
  scheme: null,
  metric: 'top1',
  value: 0.9123,
  drop: 0,
  ms: 0.3181,
  ratio: 1,
  load_ms: 34.4,
  memory_mib: 3,
  verdict: 'reference',
  why: 'the float model of the bundle',
  chosen: false,
}

test('the table marks who serves and leaves out what nobody measured', t => {
  const failed = { version: null, metric: null, value: null, drop: null, ms: null, ratio: null, load_ms: null, memory_mib: null }
  const text = formatChoice([
    row,
    {
      ...row,
      version: '3',
      device: 'openvino-cpu',
      engine: 'openvino',
      precision: 'int8',
      scheme: 'symmetric',
      ratio: 0.3,
      low: 0.29,
      high: 0.31,
      chosen: true,
    },
    { ...row, ...failed, engine: 'openvino', precision: 'bfloat16', verdict: 'failed', why: 'ERR_WORKER_MEMORY: too much' },
  ])
  const [title, ...lines] = text.trimEnd().split('\n')
  t.match(title, /^ {3}version +device +engine +precision +scheme +metric +value +drop +ms +ratio +interval +load ms +MiB +verdict +why$/)
  t.match(lines[0], /^ {3}1 +cpu0 +onnxruntime +float32 +- +top1 +0\.9123 +0\.0000 +0\.318 +1\.00 +- +34 +3 +reference +the float/)
  t.match(lines[1], /^\* {2}3 +openvino-cpu +openvino +int8 +symmetric .* 0\.30 +0\.29-0\.31 /)
  t.match(lines[2], /^ {3}- +cpu0 +openvino +bfloat16( +-){9} +failed +ERR_WORKER_MEMORY: too much$/)
  t.match(formatChoice([{ ...row, prepared: true }]), / float32, prepared /)
  t.end()
})
