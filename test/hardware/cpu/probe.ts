import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import type { CpuSources } from '../../../src/hardware/cpu/cpu-sources.js'
import { cpuDevice, probeCpu } from '../../../src/hardware/cpu/probe.js'
import { packageRoot } from '../../../src/paths.js'

const fixture = (name: string): string => readFileSync(join(packageRoot, 'test/fixtures/hardware', name), 'utf8')

const x64: CpuSources = {
  architecture: 'x64',
  cpuinfo: fixture('x64-amx.cpuinfo.txt'),
  modalias: fixture('x64-amx.modalias.txt'),
  auxv: undefined,
  siblings: ['0-1', '0-1', '2-3', '2-3'],
  modelName: 'Intel(R) Xeon(R) Processor',
  usable: 4,
  quota: '150000 100000',
  memoryBytes: 8 * 2 ** 30,
  memoryLimitBytes: 2 ** 30,
}

/** The auxiliary vector of a 64-bit process: pairs of u64, ended by AT_NULL. */
function auxv(entries: Readonly<Record<number, bigint>>): Uint8Array {
  const pairs = [...Object.entries(entries), ['0', 0n] as const]
  return new Uint8Array(BigUint64Array.from(pairs.flatMap(([type, value]) => [BigInt(type), value])).buffer)
}

test('the processor is described with cores, threads, quota and memory', async t => {
  t.match(cpuDevice(x64), {
    id: 'cpu0',
    kind: 'cpu',
    vendor: 'intel',
    state: 'ready',
    facts: { cores: 2, threads: 4, usable_threads: 4, quota_cores: 1.5, memory_mib: 8192, memory_limit_mib: 1024 },
  })
})

test('a hidden /proc/cpuinfo changes nothing in the instruction sets of an x64 processor', async t => {
  const seen = cpuDevice(x64)
  const hidden = cpuDevice({ ...x64, cpuinfo: undefined, modelName: undefined })
  t.ok(seen.features.includes('amx_int8') && seen.features.includes('avx512_vnni'))
  t.same(hidden.features, seen.features)
  t.equal(hidden.facts.features_from, '/sys/devices/system/cpu/modalias')
  t.equal(hidden.vendor, 'intel', 'the vendor number of modalias is understood too')
})

test('an arm64 processor is read from its Features line, and from the auxiliary vector when that is hidden', async t => {
  const arm: CpuSources = {
    ...x64,
    architecture: 'arm64',
    cpuinfo: fixture('arm64-cortex-a76.cpuinfo.txt'),
    modalias: undefined,
    modelName: undefined,
    // fp asimd ... fphp (9) asimdhp (10) ... asimddp (20)
    auxv: auxv({ 16: (1n << 0n) | (1n << 1n) | (1n << 9n) | (1n << 10n) | (1n << 20n), 26: 0n }),
  }
  const seen = cpuDevice(arm)
  t.same(seen.features, ['asimd', 'asimddp', 'asimdhp', 'fphp'])
  t.match(seen, { vendor: 'arm', name: 'Raspberry Pi 5 Model B Rev 1.0' })
  const hidden = cpuDevice({ ...arm, cpuinfo: undefined })
  t.same(hidden.features, seen.features)
  t.equal(hidden.facts.features_from, '/proc/self/auxv')
  const newer = cpuDevice({ ...arm, cpuinfo: undefined, auxv: auxv({ 16: 1n << 20n, 26: (1n << 13n) | (1n << 14n) }) })
  t.same(newer.features, ['asimddp', 'bf16', 'i8mm'])
})

test('a system that tells nothing gives a processor without instruction sets, and says so', async t => {
  const bare = cpuDevice({ ...x64, cpuinfo: undefined, modalias: undefined, siblings: [], modelName: undefined, quota: undefined })
  t.same(bare.features, [])
  t.equal(bare.name, 'x64 processor')
  t.match(bare.facts.features_from, 'none')
  t.notOk('cores' in bare.facts, 'an unknown number of cores is not invented')
})

test('the processor that runs this test is found with at least one usable thread', async t => {
  const device = probeCpu()
  t.ok(Number(device.facts.usable_threads) >= 1)
  t.ok(Number(device.facts.memory_mib) > 100)
  t.ok(device.features.length > 0, String(device.facts.features_from))
})
