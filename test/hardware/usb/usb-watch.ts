import { test } from 'tap'
import { UsbWatch } from '../../../src/hardware/usb/usb-watch.js'
import type { Clock } from '../../../src/time.js'
import { RecordedBus, recorded } from '../../fixtures/hardware/recorded-usb.js'

/** A clock whose only sleep ends when the test says so. */
function handClock(): Clock & { tick(): void } {
  let wake: (() => void) | undefined
  return {
    now: () => 0,
    wall: () => 0,
    sleep: (_ms, signal) =>
      new Promise((resolve, reject) => {
        wake = resolve
        signal?.addEventListener('abort', () => reject(new Error('aborted')), { once: true })
      }),
    tick: () => wake?.(),
  }
}

const watchOn = (bus: RecordedBus, access = '') => {
  const clock = handClock()
  const watch = new UsbWatch({ pollMs: 30_000, open: async () => bus, access: async () => access, clock })
  const next = () => new Promise<void>(resolve => void watch.onChange(resolve))
  return { watch, clock, next }
}

const states = (watch: UsbWatch) => watch.devices().map(({ id, state, facts }) => `${id} ${state} ${String(facts.boot)}`)

test('sticks are listed by port, other devices are not', async t => {
  const { watch } = watchOn(new RecordedBus([recorded.ncs2, recorded.mouse, recorded.ncs1]))
  await watch.start()
  t.teardown(() => watch.close())
  t.same(states(watch), ['vpu-1-2.3 ready unbooted', 'vpu-1-4 ready unbooted'])
  t.equal(watch.reason, '')
})

test('a stick that is plugged, pulled and plugged again is told by events alone', async t => {
  const bus = new RecordedBus([])
  const { watch, next } = watchOn(bus)
  await watch.start()
  t.teardown(() => watch.close())
  for (const [act, expected] of [
    [() => bus.plug(recorded.ncs2), 'vpu-1-2.3 ready unbooted'],
    [() => bus.pull(recorded.ncs2), 'vpu-1-2.3 absent unbooted'],
    [() => bus.plug(recorded.ncs2), 'vpu-1-2.3 ready unbooted'],
  ] as const) {
    const changed = next()
    act()
    await changed
    t.same(states(watch), [expected])
  }
})

test('a stick that another program boots moves to its USB 3 port', async t => {
  const bus = new RecordedBus([recorded.ncs2])
  const { watch, next } = watchOn(bus)
  await watch.start()
  t.teardown(() => watch.close())
  bus.devices = []
  const changed = next()
  bus.plug(recorded.booted)
  await changed
  t.same(states(watch), ['vpu-1-2.3 absent unbooted', 'vpu-2-2.3 ready booted'])
})

test('without events the slow poll finds the stick', async t => {
  const bus = new RecordedBus([])
  bus.watchError = 'no udev'
  const { watch, clock, next } = watchOn(bus)
  await watch.start()
  t.teardown(() => watch.close())
  t.match(watch.reason, /no hot-plug events \(no udev\): .*polling/)
  const changed = next()
  bus.plug(recorded.ncs2)
  clock.tick()
  await changed
  t.same(states(watch), ['vpu-1-2.3 ready unbooted'])
})

test('a USB host that appears later is used from then on', async t => {
  const bus = new RecordedBus([recorded.ncs2])
  bus.listError = '/sys/bus/usb/devices/ not found (errno 2)'
  const { watch, clock, next } = watchOn(bus)
  await watch.start()
  t.teardown(() => watch.close())
  t.same(states(watch), [])
  t.match(watch.reason, 'errno 2')
  t.equal(bus.watchers.size, 0, 'nobody waits for events of a bus that is not there')
  bus.listError = undefined
  const changed = next()
  clock.tick()
  await changed
  t.same(states(watch), ['vpu-1-2.3 ready unbooted'])
  t.equal(watch.reason, '')
  t.equal(bus.watchers.size, 1)
})

test('a missing native module is a reason, not a failure', async t => {
  const watch = new UsbWatch({
    pollMs: 1000,
    open: () => Promise.reject(new Error("Cannot find module '@node-usb/usb-linux-arm'")),
    clock: handClock(),
  })
  await watch.start()
  t.teardown(() => watch.close())
  t.same(watch.devices(), [])
  t.match(watch.reason, 'Cannot find module')
})

test('a stick without permission is listed with what to do', async t => {
  const { watch } = watchOn(new RecordedBus([recorded.ncs2]), 'cannot be opened: install the udev rule')
  await watch.start()
  t.teardown(() => watch.close())
  t.match(watch.devices()[0], { state: 'ready', why: 'cannot be opened: install the udev rule' })
})

test('a burst of events leads to one listing more, not one each', async t => {
  const bus = new RecordedBus([recorded.ncs2])
  const { watch, next } = watchOn(bus)
  await watch.start()
  t.teardown(() => watch.close())
  const before = bus.listings
  const changed = next()
  bus.devices = []
  for (let i = 0; i < 20; i += 1) for (const watcher of bus.watchers) watcher()
  await changed
  await watch.close()
  t.ok(bus.listings - before <= 2, `${bus.listings - before} listings`)
})

test('close unsubscribes, twice as well as once', async t => {
  const bus = new RecordedBus([])
  const { watch } = watchOn(bus)
  await watch.start()
  t.equal(bus.watchers.size, 1)
  await watch.close()
  await watch.close()
  t.equal(bus.watchers.size, 0)
})
