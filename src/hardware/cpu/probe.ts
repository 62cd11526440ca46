import type { Device } from '../device.js'
import { type CpuSources, readCpuSources } from './cpu-sources.js'
import { featuresOfAuxv, featuresOfCpuinfo, featuresOfModalias } from './instruction-sets.js'

const mib = (bytes: number): number => Math.round(bytes / 2 ** 20)

/** [instruction sets, where they were read]. /proc/cpuinfo is hidden by ProcSubset=pid; sysfs and our own auxv are not. */
function features(sources: CpuSources): readonly [readonly string[], string] {
  const { architecture, cpuinfo, modalias, auxv } = sources
  const known = cpuinfo === undefined ? undefined : featuresOfCpuinfo(cpuinfo, architecture)
  if (known !== undefined) return [known, '/proc/cpuinfo']
  const alias = modalias === undefined || architecture !== 'x64' ? undefined : featuresOfModalias(modalias)
  if (alias !== undefined) return [alias, '/sys/devices/system/cpu/modalias']
  const vector = auxv === undefined || architecture !== 'arm64' ? undefined : featuresOfAuxv(auxv)
  return vector === undefined ? [[], 'none: this system tells nothing of its instruction sets'] : [vector, '/proc/self/auxv']
}

function vendor({ cpuinfo, modalias, architecture }: CpuSources): string {
  const text = /^(?:vendor_id|CPU implementer)\s*:\s*(\S+)/m.exec(cpuinfo ?? '')?.[1] ?? /ven([0-9A-F]{4})/.exec(modalias ?? '')?.[1]
  const names: Readonly<Record<string, string>> = {
    GenuineIntel: 'intel',
    AuthenticAMD: 'amd',
    '0000': 'intel', // X86_VENDOR_INTEL 0 and X86_VENDOR_AMD 2 of the kernel
    '0002': 'amd',
    '0x41': 'arm',
    '0x51': 'qualcomm',
    '0x61': 'apple',
    '0xc0': 'ampere',
  }
  return names[text ?? ''] ?? text ?? architecture
}

/** Cores that a quota of the control group pays for: '150000 100000' -> 1.5. */
function quotaCores(quota: string | undefined): number | undefined {
  const [budget, period] = (quota ?? '').split(' ').map(Number)
  return budget !== undefined && period !== undefined && budget > 0 && period > 0 ? budget / period : undefined
}

/** The processor of this host as `cpu0`: always there, always ready. Pure: `sources` is what the system told. */
export function cpuDevice(sources: CpuSources): Device {
  const [instructionSets, readFrom] = features(sources)
  const cores = new Set(sources.siblings).size
  const quota = quotaCores(sources.quota)
  const model = sources.modelName ?? /^(?:model name|Model)\s*:\s*(.+)$/m.exec(sources.cpuinfo ?? '')?.[1]
  return {
    id: 'cpu0',
    kind: 'cpu',
    name: model ?? `${sources.architecture} processor`,
    vendor: vendor(sources),
    state: 'ready',
    target: undefined,
    why: '',
    features: instructionSets,
    facts: {
      architecture: sources.architecture,
      ...(cores === 0 ? {} : { cores }),
      threads: sources.siblings.length || sources.usable,
      usable_threads: sources.usable,
      ...(quota === undefined ? {} : { quota_cores: Math.round(quota * 100) / 100 }),
      memory_mib: mib(sources.memoryBytes),
      ...(sources.memoryLimitBytes === undefined ? {} : { memory_limit_mib: mib(sources.memoryLimitBytes) }),
      features_from: readFrom,
    },
  }
}

export const probeCpu = (): Device => cpuDevice(readCpuSources())
