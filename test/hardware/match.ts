import { test } from 'tap'
import { probeCpu } from '../../src/hardware/cpu/probe.js'
import type { Device } from '../../src/hardware/device.js'
import { DeviceSpec } from '../../src/hardware/device-spec.js'
import { loadDeviceSpecs, matchSpec } from '../../src/hardware/match.js'
import { vpuDevice } from '../../src/hardware/usb/movidius.js'
import { recorded } from '../fixtures/hardware/recorded-usb.js'

const spec = (name: string, match: Record<string, unknown>): DeviceSpec =>
  DeviceSpec.parse({ version: 1, name, title: name, match: { kind: 'cpu', ...match }, engine: 'onnxruntime' })

const cpu = (features: readonly string[], architecture = 'x64'): Device => ({ ...probeCpu(), features, facts: { architecture } })

test('the most specific description wins, whatever their order', async t => {
  const specs = [
    spec('any', {}),
    spec('x64', { architecture: 'x64' }),
    spec('vnni', { architecture: 'x64', anyFeature: ['avx512_vnni', 'avx_vnni'] }),
    spec('amx', { architecture: 'x64', features: ['avx512_vnni', 'amx_int8'] }),
    spec('plain', { architecture: 'x64', without: ['avx512_vnni', 'avx_vnni'] }),
  ]
  for (const [device, name] of [
    [cpu(['avx2', 'avx512_vnni', 'amx_int8']), 'amx'],
    [cpu(['avx2', 'avx_vnni']), 'vnni'],
    [cpu(['avx2']), 'plain'],
    [cpu(['asimd'], 'arm64'), 'any'],
  ] as const) {
    t.equal(matchSpec(device, specs)?.name, name)
    t.equal(matchSpec(device, [...specs].reverse())?.name, name)
  }
  t.equal(matchSpec(vpuDevice(recorded.ncs2, '')!, specs), undefined, 'another kind is not guessed')
  const device = { ...spec('gpu', {}), match: { ...spec('gpu', {}).match, device: 'GPU' } } satisfies DeviceSpec
  const named = (name: string): Device => ({ ...cpu([]), facts: { device: name } })
  t.equal(matchSpec(named('GPU'), [spec('any', {}), device])?.name, 'gpu', 'a named device is more specific')
  t.equal(matchSpec(named('NPU'), [spec('any', {}), device])?.name, 'any')
})

test('each stick of devices/ is recognised by its USB id', async t => {
  const specs = await loadDeviceSpecs()
  for (const [name, target] of [
    ['ncs1', 'movidius-ma2450'],
    ['ncs2', 'movidius-ma2480'],
    ['booted', 'movidius-booted'],
    ['bootloader', undefined],
  ] as const) {
    t.equal(matchSpec(vpuDevice(recorded[name], '')!, specs)?.name, target, name)
  }
})

test('a broken file of devices/ is refused with its name and key', async t => {
  for (const [text, message] of [
    ['{', /a\.json: /],
    ['{"version":1,"name":"a","title":"t","match":{"kind":"tpu"},"engine":null}', /'match\.kind'/],
    ['{"version":1,"name":"b","title":"t","match":{"kind":"cpu"},"engine":null}', /name is 'b'/],
  ] as const) {
    await t.rejects(loadDeviceSpecs(t.testdir({ 'a.json': text })), { code: 'ERR_HARDWARE_SPEC', message })
  }
})
