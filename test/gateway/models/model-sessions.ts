import { test } from 'tap'
import type { DeviceWorker } from '../../../src/engines/worker/device-worker.js'
import { ModelSessions } from '../../../src/gateway/models/model-sessions.js'
import { type ServingDevice, ServingDevices } from '../../../src/gateway/models/serving-devices.js'
import type { StoredModel, StoredVersion } from '../../../src/gateway/models/stored-model.js'
import { Manifest } from '../../../src/samples/manifest.js'
import { testDevice, testSpec } from '../../fixtures/gateway/site.js'

/** Sessions on a worker that notes what it is asked to open. */
function sessions(hint: 'latency' | 'throughput', more: Pick<ServingDevice, 'cache'> = {}) {
  const asked: { readonly threads: number; readonly options: unknown }[] = []
  const worker = {
    device: testDevice.id,
    on: () => () => {},
    holds: () => true,
    call: async (_: string, { threads, options }: { readonly threads: number; readonly options: unknown }) => {
      asked.push({ threads, options })
      return { meta: { inputs: [], outputs: [], parallel: 3, loadMs: 1, rssMiB: 1, memoryMiB: 1 }, body: Buffer.alloc(0) }
    },
  } as unknown as DeviceWorker
  const engine = { name: 'openvino', version: '1' }
  const devices = new ServingDevices({
    device: testDevice,
    spec: testSpec,
    engine,
    worker,
    engineDevice: 'CPU',
    precisions: [],
    env: {},
    ...more,
  })
  const open = new ModelSessions({ devices, computing: { hint, threads: { latency: 2, throughput: 4 } } })
  const openWith = (manifest: object) =>
    open.open(
      { name: 'm', manifest: Manifest.parse(manifest) } as StoredModel,
      { version: '1', engine: 'openvino', device: testDevice.id } as StoredVersion,
      '/model.xml',
    )
  return { asked, openWith }
}

test('a model that says nothing is opened for what the gateway asks, with the threads of that', async t => {
  for (const hint of ['latency', 'throughput'] as const) {
    const { asked, openWith } = sessions(hint)
    const { session } = await openWith({})
    t.same(asked, [{ threads: hint === 'latency' ? 2 : 4, options: { device: 'CPU', hint } }])
    t.equal(session.parallel, 3, 'what the worker says')
  }
})

test('model.json says otherwise', async t => {
  const { asked, openWith } = sessions('latency')
  await openWith({ hint: 'throughput' })
  t.same(asked, [{ threads: 4, options: { device: 'CPU', hint: 'throughput' } }])
})

test('where a device keeps what it compiled goes with each of its sessions', async t => {
  const cache = { folder: '/state/compiled', maxMiB: 1 }
  const { asked, openWith } = sessions('latency', { cache })
  await openWith({})
  t.match(asked, [{ options: { cache } }])
})
