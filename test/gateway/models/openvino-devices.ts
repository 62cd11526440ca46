import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { followOpenvino } from '../../../src/gateway/models/openvino-devices.js'
import { Hardware } from '../../../src/hardware/hardware.js'
import { probeOpenvino } from '../../../src/hardware/openvino/probe.js'
import { ask, servingOf, told } from '../../fixtures/gateway/asking.js'
import { addOpenvino, openvinoId } from '../../fixtures/gateway/openvino-site.js'
import { reportFixture } from '../../fixtures/gateway/report.js'
import { demoBundle, openSite } from '../../fixtures/gateway/site.js'
import { withoutOpenvino } from '../../fixtures/openvino.js'

const model = 'fashion-resnet'

/** A site whose float answers on OpenVINO. */
async function openOnOpenvino(t: Test) {
  const folder = t.testdir({ state: {} })
  const site = await openSite(t, join(folder, 'state'))
  const openvino = await addOpenvino(t, site, folder)
  const { versions } = await site.models.load(demoBundle)
  const form = { device: openvinoId, precision: 'float32', judgement: reportFixture().judgement!, of: versions[0]!.artifact } as const
  const { version } = await site.models.addFloat(model, form)
  t.equal((await site.models.addFloat(model, form)).version, version, 'the same form again is the same version')
  await site.models.activate(model, version)
  return { site, openvino, version, kill: () => process.kill(openvino.serving.worker.figures().pid!, 'SIGKILL') }
}

test('kill -9 of the worker with OpenVINO loses no request, and traffic returns', withoutOpenvino, async t => {
  const { site, openvino, version, kill } = await openOnOpenvino(t)
  const serving = servingOf(site)
  t.match(await ask(site, serving), { kind: 'answer', version, device: openvinoId })
  const home = told(site, ({ why }) => why !== '').then(() => told(site, ({ why }) => why === ''))
  const asked = Array.from({ length: 20 }, () => ask(site, serving))
  while (openvino.serving.worker.figures().inFlight === 0) await new Promise(setImmediate)
  kill()
  const outcomes = await Promise.all(asked)
  t.same(
    outcomes.filter(({ kind }) => kind !== 'answer'),
    [],
  )
  await home
  t.match(await ask(site, serving), { kind: 'answer', version, device: openvinoId })
})

test(
  'a library that is deleted while it serves: ONNX Runtime answers once its process ends, until it is there again',
  withoutOpenvino,
  async t => {
    const { site, openvino, version, kill } = await openOnOpenvino(t)
    const serving = servingOf(site)
    openvino.removeLibrary()
    t.match(await ask(site, serving), { kind: 'answer', device: openvinoId }, 'what is loaded goes on')
    const gone = told(site, ({ why }) => /cannot be opened on openvino-cpu .*OpenVINO is not on this host/.test(why))
    kill()
    t.match(await ask(site, serving), { kind: 'answer', version: '1', device: 'cpu0' })
    t.match(await gone, { active: version, state: 'ready' })
    t.match(await ask(site, serving), { kind: 'answer', version: '1', device: 'cpu0' })
    const home = told(site, ({ why }) => why === '')
    openvino.restoreLibrary()
    await home
    t.match(await ask(site, serving), { kind: 'answer', version, device: openvinoId })
  },
)

test('a file that is no such library adds no device, and says so once', async t => {
  const folder = t.testdir({ state: {} })
  const site = await openSite(t, join(folder, 'state'))
  mkdirSync(join(folder, 'libs'))
  writeFileSync(join(folder, 'libs', 'libopenvino_c.so.9999'), 'of another release')
  const env = { ...process.env, OPENVINO_DIR: join(folder, 'libs') }
  const hardware = await Hardware.discover(
    { discovery: { gpu: false, usb: false, openvino: true, usb_poll_s: 3600 }, state_dir: site.store.folder },
    { probes: { openvino: ({ signal }) => probeOpenvino({ signal, env }) } },
  )
  const followed = followOpenvino({ hardware, devices: site.devices, worker: { memoryMiB: 4096, heartbeatS: 30 } })
  t.teardown(async () => {
    await followed.close()
    await hardware.close()
  })
  await hardware.settled()
  t.match(hardware.notes(), [{ probe: 'openvino', reason: /libopenvino_c\.so\.9999.*ERR_OPENVINO_LOAD/ }])
  t.same(
    site.devices.all().map(({ device }) => device.id),
    ['cpu0'],
  )
})
