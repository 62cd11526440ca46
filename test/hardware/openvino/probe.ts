import { join } from 'node:path'
import { test } from 'tap'
import { loadDeviceSpecs, matchSpec } from '../../../src/hardware/match.js'
import { openvinoEnv, probeOpenvino } from '../../../src/hardware/openvino/probe.js'
import { compileLibrary } from '../../fixtures/compile-library.js'
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
  t.match(await probe(), { devices: [], reason: /libopenvino_c\.so: .*ERR_OPENVINO_LOAD/ })
  t.match((await probe({ entry: join(root, 'crash.mjs') })).reason, 'ended by SIGSEGV')
  t.match((await probe({ entry: join(root, 'hang.mjs'), timeoutMs: 200 })).reason, 'did not answer within 200 ms')
  t.match((await probe({ entry: join(root, 'lie.mjs') })).reason, 'ended without an answer')
})

test('a library that is no OpenVINO, and one from before 2022.3, are told apart and refused', async t => {
  const refused = async (code: string) => {
    const root = t.testdir({ lib: {} })
    compileLibrary(join(root, 'lib', 'libopenvino_c.so'), code)
    return (await probeOpenvino({ root, env: { OPENVINO_DIR: join(root, 'lib'), HOME: root } })).reason
  }
  t.match(await refused('int answer(void) { return 42; }'), /ERR_OPENVINO_LOAD: .* is not OpenVINO's C library: .*ov_get_openvino_version/)
  const old = 'typedef struct { char *text; } version; version ie_c_api_version(void) { version v = { "2021.4.2" }; return v; }'
  t.match(await refused(old), /ERR_OPENVINO_VERSION: .* is OpenVINO 2021\.4\.2, which is older than 2022\.3/)
})

test('a Python package without the C library is named, with what to do', async t => {
  const libs = { 'libopenvino.so.2330': '' }
  const root = t.testdir({ home: { lib: { 'python3.11': { 'site-packages': { openvino: { libs } } } } } })
  const { reason } = await probeOpenvino({ root: join(root, 'none'), env: { VIRTUAL_ENV: join(root, 'home'), HOME: root } })
  t.match(reason, /site-packages\/openvino\/libs comes without its C library .*quantd setup openvino/)
})

/** A probe process that says what its library would: `trials` by ONEDNN_MAX_CPU_ISA. */
const telling = (device: object, trials: Readonly<Record<string, string>>) => `
  console.log(JSON.stringify({ build: '2022.3.0', devices: [${JSON.stringify(device)}] }))
  const int8 = ${JSON.stringify(trials)}[process.env.ONEDNN_MAX_CPU_ISA ?? 'all']
  if (int8 === 'crash') process.kill(process.pid, 'SIGSEGV')
  if (int8) console.log(JSON.stringify({ int8 }))`

const cpu = { device: 'CPU', name: 'Processor', capabilities: ['FP32', 'BF16', 'INT8'] }

test('where int8 fails with AMX it is run without, and the device says so', async t => {
  const cases = [
    [{ all: 'ok' }, {}, /^$/],
    [{ all: 'no kernel', AVX512_CORE_BF16: 'ok' }, { ONEDNN_MAX_CPU_ISA: 'AVX512_CORE_BF16' }, /fail here with AMX, .* \(no kernel\)/],
    [{ all: 'crash', AVX512_CORE_BF16: 'ok' }, { ONEDNN_MAX_CPU_ISA: 'AVX512_CORE_BF16' }, /fail here with AMX, .*SIGSEGV/],
    [{ all: 'no kernel', AVX512_CORE_BF16: 'none either' }, {}, /fail here \(no kernel\)/],
  ] as const
  for (const [trials, cap, why] of cases) {
    const root = t.testdir({ lib: { 'libopenvino_c.so': '' }, 'probe.mjs': telling(cpu, trials) })
    const options = { root, env: { OPENVINO_DIR: join(root, 'lib'), HOME: root }, entry: join(root, 'probe.mjs') }
    const [device] = (await probeOpenvino(options)).devices
    t.same(openvinoEnv(device!), { OPENVINO_DIR: join(root, 'lib'), ...cap })
    t.match(device?.why, why)
  }
})

test('a stick that OpenVINO lists computes in float16 and follows its own file', async t => {
  const stick = { device: 'MYRIAD.1.4-ma2480', name: 'Intel Movidius Myriad X VPU', capabilities: ['EXPORT_IMPORT', 'FP16'] }
  const root = t.testdir({ lib: { 'libopenvino_c.so': '' }, 'probe.mjs': telling(stick, {}) })
  const options = { root, env: { OPENVINO_DIR: join(root, 'lib'), HOME: root }, entry: join(root, 'probe.mjs') }
  const [device] = (await probeOpenvino(options)).devices
  t.match(device, { id: 'openvino-myriad.1.4-ma2480', why: '', features: ['EXPORT_IMPORT', 'FP16'], facts: { device: 'MYRIAD' } })
  const spec = matchSpec(device!, await loadDeviceSpecs())
  t.match(spec, { name: 'openvino-myriad', engine: 'openvino', precision: 'float16' })
})
