import { test } from 'tap'
import type { Device } from '../../src/hardware/device.js'
import { loadDeviceSpecs, matchSpec } from '../../src/hardware/match.js'

const processor = (architecture: string, features: readonly string[]): Device => ({
  id: 'cpu0',
  kind: 'cpu',
  name: 'a processor',
  vendor: 'x',
  state: 'ready',
  target: undefined,
  why: '',
  features,
  facts: { architecture },
})

test('weights are halved on x64 without VNNI alone, activations are int8 on arm64', async t => {
  const specs = await loadDeviceSpecs()
  for (const [architecture, features, name, weightRange, codes] of [
    ['x64', ['avx2', 'avx512_vnni'], 'cpu-x64-vnni', 'full', 'uint8'],
    ['x64', ['avx2', 'avx_vnni'], 'cpu-x64-vnni', 'full', 'uint8'],
    ['x64', ['avx512f', 'amx_int8'], 'cpu-x64-vnni', 'full', 'uint8'],
    ['x64', ['avx2', 'avx512f'], 'cpu-x64', 'half', 'uint8'],
    ['x64', [], 'cpu-x64', 'half', 'uint8'],
    ['arm64', ['asimd', 'asimddp'], 'cpu-arm64-dot', 'full', 'int8'],
    ['arm64', ['asimd', 'i8mm'], 'cpu-arm64-dot', 'full', 'int8'],
    ['arm64', ['asimd'], 'cpu-arm64', 'full', 'int8'],
  ] as const) {
    t.match(
      matchSpec(processor(architecture, features), specs),
      { name, weightRange, activationCodes: codes, engine: 'onnxruntime' },
      `${architecture} ${features}`,
    )
  }
})
