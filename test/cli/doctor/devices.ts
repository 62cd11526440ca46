import { test } from 'tap'
import { checkDevices } from '../../../src/cli/doctor/devices.js'
import { vpuDevice } from '../../../src/hardware/usb/movidius.js'
import { cpuFixture } from '../../fixtures/gateway/fake-gateway.js'
import { recorded } from '../../fixtures/hardware/recorded-usb.js'

test('a described processor passes, an unknown one and a stick without permission warn, what was not found is no failure', async t => {
  const unknown = { ...cpuFixture, id: 'cpu0', target: undefined, why: 'no file in devices/ describes it' }
  const closed = { ...vpuDevice(recorded.ncs2, '/dev/bus/usb/001/007 cannot be opened (EACCES): ...')!, target: 'movidius-ma2480' }
  const findings = checkDevices([cpuFixture, unknown, closed], [{ probe: 'gpu', reason: 'no adapter' }])
  t.same(
    findings.map(({ status }) => status),
    ['pass', 'warn', 'warn', 'skip'],
  )
  t.match(findings[2]?.fix, 'udev')
})
