import { test } from 'tap'
import { Config } from '../../src/config/schema.js'
import type { Device } from '../../src/hardware/device.js'
import type { GpuFindings } from '../../src/hardware/gpu/probe.js'
import { Hardware } from '../../src/hardware/hardware.js'
import { UsbWatch } from '../../src/hardware/usb/usb-watch.js'
import { RecordedBus, recorded } from '../fixtures/hardware/recorded-usb.js'

const gpu: Device = {
  id: 'gpu0',
  kind: 'webgpu',
  name: 'Test GPU',
  vendor: 'test',
  state: 'ready',
  target: undefined,
  why: '',
  features: [],
  facts: {},
}

const openvino = async () => ({ devices: [], reason: '' })

const usbOn = (bus: RecordedBus) => (pollMs: number) => new UsbWatch({ pollMs, open: async () => bus, access: async () => '' })

test('processor, GPU and sticks are shown, and those without an engine say so', async t => {
  const bus = new RecordedBus([recorded.ncs2])
  const hardware = await Hardware.discover(Config.parse({}), {
    probes: { openvino, gpu: async () => ({ devices: [gpu], reason: '' }), usb: usbOn(bus) },
  })
  t.teardown(() => hardware.close())
  await hardware.settled()
  const devices = hardware.devices()
  t.same(
    devices.map(({ id }) => id),
    ['cpu0', 'gpu0', 'vpu-1-2.3'],
  )
  t.match(devices[1], { target: 'webgpu', why: 'no engine serves this device yet' })
  t.match(devices[2], { target: 'movidius-ma2480', why: 'no engine serves this device yet' })
  t.same(hardware.notes(), [])
})

test('a probe that hangs does not hold up the processor', async t => {
  let answer: (found: GpuFindings) => void = () => {}
  const hanging = new Promise<GpuFindings>(resolve => {
    answer = resolve
  })
  const hardware = await Hardware.discover(Config.parse({ discovery: { usb: false } }), { probes: { openvino, gpu: () => hanging } })
  t.teardown(() => hardware.close())
  t.same(
    hardware.devices().map(({ id }) => id),
    ['cpu0'],
  )
  const changed = new Promise<readonly Device[]>(resolve => void hardware.on('changed', resolve))
  answer({ devices: [gpu], reason: '' })
  t.same(
    (await changed).map(({ id }) => id),
    ['cpu0', 'gpu0'],
  )
})

test('a plugged stick is a change, a pulled one is absent', async t => {
  const bus = new RecordedBus([])
  const hardware = await Hardware.discover(Config.parse({ discovery: { gpu: false } }), { probes: { openvino, usb: usbOn(bus) } })
  t.teardown(() => hardware.close())
  await hardware.settled()
  const change = () =>
    new Promise<string>(resolve => {
      const off = hardware.on('changed', devices => {
        off()
        resolve(devices.map(({ id, state }) => `${id} ${state}`).join(', '))
      })
    })
  let next = change()
  bus.plug(recorded.ncs2)
  t.equal(await next, 'cpu0 ready, vpu-1-2.3 ready')
  next = change()
  bus.pull(recorded.ncs2)
  t.equal(await next, 'cpu0 ready, vpu-1-2.3 absent')
})

test('what was not found is a note with its reason', async t => {
  const bus = new RecordedBus([])
  bus.listError = 'no USB host'
  const hardware = await Hardware.discover(Config.parse({}), {
    probes: { openvino, gpu: async () => ({ devices: [], reason: 'no adapter' }), usb: usbOn(bus) },
  })
  t.teardown(() => hardware.close())
  await hardware.settled()
  t.same(hardware.notes(), [
    { probe: 'gpu', reason: 'no adapter' },
    { probe: 'usb', reason: 'no USB host' },
  ])
})

test('an aborted signal ends the probe that it was given', async t => {
  const control = new AbortController()
  const hardware = await Hardware.discover(Config.parse({ discovery: { usb: false } }), {
    signal: control.signal,
    probes: {
      openvino,
      gpu: signal => new Promise(done => signal.addEventListener('abort', () => done({ devices: [], reason: 'was stopped' }))),
    },
  })
  control.abort()
  await hardware.settled()
  t.same(hardware.notes(), [{ probe: 'gpu', reason: 'was stopped' }])
})
