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
    ['x64', ['avx512f', 'amx_int8'], 'cpu-x64-amx', 'full', 'uint8'],
    ['x64', ['avx512_vnni', 'avx_vnni', 'amx_int8'], 'cpu-x64-amx', 'full', 'uint8'],
    ['x64', ['avx2', 'avx512f'], 'cpu-x64', 'half', 'uint8'],
    ['x64', [], 'cpu-x64', 'half', 'uint8'],
    ['arm64', ['asimd', 'asimddp'], 'cpu-arm64-dot', 'full', 'int8'],
    ['arm64', ['asimd', 'i8mm'], 'cpu-arm64-i8mm', 'full', 'int8'],
    ['arm64', ['asimd', 'asimddp', 'i8mm'], 'cpu-arm64-i8mm', 'full', 'int8'],
    ['arm64', ['asimd'], 'cpu-arm64', 'full', 'int8'],
  ] as const) {
    t.match(
      matchSpec(processor(architecture, features), specs),
      { name, weightRange, activationCodes: codes, engine: 'onnxruntime' },
      `${architecture} ${features}`,
    )
  }
})

test('OpenVINO, a stick and an FPGA are told apart from the processor beside them', async t => {
  const specs = await loadDeviceSpecs()
  const named = (name: string) => specs.find(spec => spec.name === name)!
  for (const device of ['CPU', 'GPU', 'NPU'] as const) {
    t.match(named(`openvino-${device.toLowerCase()}`), { match: { kind: 'openvino', device }, placement: 'openvino', precision: 'int8' })
  }
  t.match(named('fpga'), { scales: 'power-of-two', placement: 'openvino' })
  t.notOk(
    Object.values(named('fpga').quantizers).some(({ mode }) => mode !== 'symmetric'),
    'an FPGA has no zero points',
  )
  for (const name of ['movidius-booted', 'movidius-ma2450', 'movidius-ma2480']) {
    t.match(named(name), { precision: 'float16', ops: {}, quantizers: {} }, `${name}: nothing is quantized`)
  }
  for (const { name, precision, ops } of specs) t.equal(precision === 'float16', Object.keys(ops).length === 0, name)
})
