import { test } from 'tap'
import { vpuDevice } from '../../../src/hardware/usb/movidius.js'
import { recorded } from '../../fixtures/hardware/recorded-usb.js'

test('each id of vpu-protocol.md 1.1 is told apart, anything else is no stick', async t => {
  for (const [name, boot] of [
    ['ncs2', 'unbooted'],
    ['ncs1', 'unbooted'],
    ['booted', 'booted'],
    ['bootloader', 'foreign'],
  ] as const) {
    t.equal(vpuDevice(recorded[name], '')?.facts.boot, boot, name)
  }
  t.equal(vpuDevice(recorded.mouse, ''), undefined)
  t.equal(
    vpuDevice({ ...recorded.ncs2, productId: 0x1234 }, '')?.facts.boot,
    'foreign',
    'an unknown product of the vendor is listed, not booted',
  )
})

test('the id is the port path, and the constant serial of the ROM is not shown', async t => {
  t.equal(vpuDevice(recorded.ncs2, '')?.id, 'vpu-1-2.3')
  t.notOk('serial' in vpuDevice(recorded.ncs2, '')!.facts)
  t.equal(vpuDevice(recorded.booted, '')?.facts.serial, '01234567890abc')
})
