import { readdirSync, readFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, totalmem } from 'node:os'
import { join } from 'node:path'

/** What the system tells of its processor, each text absent where a container or a hardened unit hides it. */
export interface CpuSources {
  readonly architecture: string
  readonly cpuinfo: string | undefined
  readonly modalias: string | undefined
  readonly auxv: Uint8Array | undefined
  /** core_cpus_list of each logical processor: equal texts share a core. */
  readonly siblings: readonly string[]
  readonly modelName: string | undefined
  /** Processors that this process may run on (affinity). */
  readonly usable: number
  /** cpu.max of cgroup v2 ('200000 100000', 'max 100000'), or cpu.cfs_quota_us and cpu.cfs_period_us of v1 written the same way. */
  readonly quota: string | undefined
  readonly memoryBytes: number
  /** Limit of the control group; undefined = none. */
  readonly memoryLimitBytes: number | undefined
}

function text(...path: readonly string[]): string | undefined {
  try {
    return readFileSync(join('/', ...path), 'utf8').trim()
  } catch {
    return undefined // hidden or not of this kernel: the next source is asked
  }
}

function bytes(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined // as above
  }
}

function siblings(): readonly string[] {
  const folder = '/sys/devices/system/cpu'
  let names: readonly string[]
  try {
    names = readdirSync(folder).filter(name => /^cpu\d+$/.test(name))
  } catch {
    return [] // hidden: no siblings are known
  }
  return names.map(name => text(folder, name, 'topology/core_cpus_list') ?? name)
}

/** cpu.max of our own control group; the nearest one up the tree that has a limit is what binds. */
function quota(): string | undefined {
  const v2 = /^0::(.*)$/m.exec(text('proc/self/cgroup') ?? '')?.[1]
  for (let path = v2; path !== undefined; path = path === '/' || path === '' ? undefined : path.replace(/\/[^/]*$/, '')) {
    const found = text('sys/fs/cgroup', path, 'cpu.max')
    if (found !== undefined && !found.startsWith('max')) return found
  }
  const period = text('sys/fs/cgroup/cpu/cpu.cfs_period_us')
  const v1 = text('sys/fs/cgroup/cpu/cpu.cfs_quota_us')
  return v1 === undefined || period === undefined || v1.startsWith('-') ? undefined : `${v1} ${period}`
}

/** Reads them all; nothing here throws. */
export function readCpuSources(): CpuSources {
  const limit = process.constrainedMemory()
  return {
    architecture: arch(),
    cpuinfo: text('proc/cpuinfo'),
    modalias: text('sys/devices/system/cpu/modalias'),
    auxv: bytes('/proc/self/auxv'),
    siblings: siblings(),
    modelName: cpus()[0]?.model ?? text('proc/device-tree/model'),
    usable: availableParallelism(),
    quota: quota(),
    memoryBytes: totalmem(),
    memoryLimitBytes: limit > 0 && limit < totalmem() ? limit : undefined,
  }
}
