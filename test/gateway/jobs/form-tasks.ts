import { test } from 'tap'
import type { DeviceWorker } from '../../../src/engines/worker/device-worker.js'
import { candidateForms } from '../../../src/gateway/jobs/candidate-form.js'
import { formTask, groupByEnvironment } from '../../../src/gateway/jobs/form-tasks.js'
import type { ServingDevice } from '../../../src/gateway/models/serving-devices.js'
import { testDevice, testSpec } from '../../fixtures/gateway/site.js'

const device = (id: string, more: Partial<ServingDevice> = {}): ServingDevice => ({
  device: { ...testDevice, id },
  spec: testSpec,
  engine: { name: id, version: '1' },
  worker: {} as DeviceWorker, // nobody calls it
  precisions: [],
  env: {},
  ...more,
})

const reference = device('cpu0')
const libraries = (path: string) => ({ OPENVINO_DIR: path })
const forms = (...devices: ServingDevice[]) => candidateForms([reference, ...devices], { patterns: ['*'], kinds: 'all' })

test('one process makes all forms whose environments agree, others have one of their own', t => {
  const one = device('ov-cpu', { env: libraries('/a') })
  const same = device('ov-gpu', { env: libraries('/a') })
  const other = device('ov-old', { env: libraries('/b') })
  const groups = groupByEnvironment(forms(one, other, same))
  t.same(
    groups.map(({ env, forms: made }) => [env, made.map(({ kind, serving }) => `${kind} ${serving.device.id}`)]),
    [
      [libraries('/a'), ['int8 cpu0', 'prepared cpu0', 'int8 ov-cpu', 'int8 ov-gpu']],
      [libraries('/b'), ['int8 ov-old']],
    ],
  )
  t.end()
})

test('every form has a folder of its own, and one that opens int8 in another type knows where that lies', t => {
  const openvino = device('ov', { engineDevice: 'CPU', precisions: ['float32', 'bfloat16'] })
  const costs = (engine: string) => (engine === 'cpu0' ? { costs: '/costs.json' } : {})
  const tasks = forms(openvino).map(form => formTask(form, { folder: '/job', costs }))
  t.match(tasks, [
    { kind: 'quantized', folder: '/job/cpu0-int8', costs: '/costs.json', serving: { name: 'cpu0', options: {} } },
    { kind: 'prepared', folder: '/job/cpu0-float32-prepared', subject: 'prepared float32 on cpu0' },
    { kind: 'quantized', folder: '/job/ov-int8', costs: undefined, serving: { options: { device: 'CPU' } } },
    {
      kind: 'reopened',
      of: '/job/ov-int8',
      folder: '/job/ov-int8+bfloat16',
      serving: { options: { device: 'CPU', precision: 'bfloat16' } },
    },
    { kind: 'float', folder: '/job/ov-float32', serving: { options: { precision: 'float32' } } },
    { kind: 'float', folder: '/job/ov-bfloat16', subject: 'bfloat16 on ov' },
  ])
  t.equal(new Set(tasks.map(({ folder }) => folder)).size, tasks.length)
  t.end()
})
