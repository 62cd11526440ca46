import { join } from 'node:path'
import { test } from 'tap'
import { probeOpenvino } from '../../../src/hardware/openvino/probe.js'
import { withoutOpenvino } from '../../fixtures/openvino.js'

test('the library that is here is found with its build and its processor', withoutOpenvino, async t => {
  const { devices, reason, library } = await probeOpenvino()
  t.equal(reason, '')
  t.match(library?.build, /^20\d\d\.\d/)
  t.match(
    devices.find(({ id }) => id === 'openvino-cpu'),
    { kind: 'openvino', facts: { device: 'CPU' }, state: 'ready' },
  )
})

test('no library is normal, and the reason says what to do', async t => {
  const root = t.testdir()
  t.match(await probeOpenvino({ root, env: { HOME: root } }), { devices: [], reason: /quantd setup openvino/ })
})

test('a file that is no library, a probe that crashes and one that lies cost nothing but the devices', async t => {
  const root = t.testdir({
    lib: { 'libopenvino_c.so': 'no library' },
    'crash.mjs': 'process.kill(process.pid, "SIGSEGV")',
    'hang.mjs': 'setInterval(() => {}, 1000)',
    'lie.mjs': 'console.log(`{"build":1}`)',
  })
  const env = { OPENVINO_DIR: join(root, 'lib'), HOME: root }
  const probe = (options = {}) => probeOpenvino({ root, env, ...options })
  t.match(await probe(), { devices: [], reason: /ERR_OPENVINO_LOAD|libopenvino_c/ })
  t.match((await probe({ entry: join(root, 'crash.mjs') })).reason, 'ended by SIGSEGV')
  t.match((await probe({ entry: join(root, 'hang.mjs'), timeoutMs: 200 })).reason, 'did not answer within 200 ms')
  t.match((await probe({ entry: join(root, 'lie.mjs') })).reason, 'ended without an answer')
})
