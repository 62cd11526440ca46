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

test('a device of OpenVINO is named with the build of its library', t => {
  const found = {
    ...cpuFixture,
    id: 'openvino-cpu',
    kind: 'openvino',
    name: 'Processor by OpenVINO',
    facts: { build: '2026.4.1-22982' },
  } as const
  const [finding] = checkDevices([{ ...found, target: 'openvino-cpu', why: 'served by openvino' }], [])
  t.match(finding, { status: 'pass', found: 'Processor by OpenVINO, 2026.4.1-22982: served by openvino' })
  t.end()
})
