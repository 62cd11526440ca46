import { test } from 'tap'
import type { DeviceWorker } from '../../../src/engines/worker/device-worker.js'
import { candidateForms, formName } from '../../../src/gateway/jobs/candidate-form.js'
import type { ServingDevice } from '../../../src/gateway/models/serving-devices.js'
import { testDevice, testSpec } from '../../fixtures/gateway/site.js'

const device = (id: string, engine: string, more: Partial<ServingDevice> = {}): ServingDevice => ({
  device: { ...testDevice, id },
  spec: testSpec,
  engine: { name: engine, version: '1' },
  worker: {} as DeviceWorker, // nobody calls it
  precisions: [],
  env: {},
  ...more,
})

const reference = device('cpu0', 'onnxruntime')
const openvino = device('openvino-cpu', 'openvino', { precisions: ['float32', 'bfloat16', 'float16'] })
const halves = device('openvino-npu', 'openvino', { precisions: ['float16'], spec: { ...testSpec, precision: 'float16' } })
const all = [reference, openvino, halves]

const names = (patterns: readonly string[], kinds: 'all' | 'int8' = 'all') =>
  candidateForms(all, { patterns, kinds }).map(form => `${form.serving.device.id}: ${formName(form)}`)

test('forms are int8 per device, int8 with bfloat16 where the device has it, its floats, and the prepared float of the reference', t => {
  t.same(names(['*']), [
    'cpu0: int8 on onnxruntime',
    'cpu0: prepared float32 on onnxruntime',
    'openvino-cpu: int8 on openvino',
    'openvino-cpu: int8+bfloat16 on openvino',
    'openvino-cpu: float32 on openvino',
    'openvino-cpu: bfloat16 on openvino',
    'openvino-cpu: float16 on openvino',
    'openvino-npu: float16 on openvino',
  ])
  t.end()
})

test('patterns choose devices, and what cannot be judged is made as plain int8 alone', t => {
  t.same(names(['openvino-npu']), ['openvino-npu: float16 on openvino'])
  t.same(names(['*'], 'int8'), ['cpu0: int8 on onnxruntime', 'openvino-cpu: int8 on openvino'])
  t.same(names(['vpu*']), [])
  t.end()
})
