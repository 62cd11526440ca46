import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Resident memory of this process in MiB. */
export const residentMiB = (): number => Math.round(process.memoryUsage.rss() / 2 ** 20)

/** The most that this process has had resident so far, in MiB. */
export const peakResidentMiB = (): number => Math.round(process.resourceUsage().maxRSS / 1024)

/** Parameters of mallopt, of glibc's malloc.h. */
const trimThreshold = -1
const mmapThreshold = -3
const arenaMax = -8

/**
 * Bytes of what is freed that stay mapped, and of the largest piece that is not mapped apart. V8 frees the buffers of dozens of requests at once, at most 64 MiB; by
 * itself glibc gives back what is above twice the largest piece, and the next requests are mapped again page by page, which takes longer than their copies.
 */
const keptBytes = 64 * 2 ** 20
const largestPieceBytes = 8 * 2 ** 20

/** Environment of a child that keeps its freed memory, as `keepFreedMemory` has it. */
export const keepingFreedMemory = {
  MALLOC_TRIM_THRESHOLD_: String(keptBytes),
  MALLOC_MMAP_THRESHOLD_: String(largestPieceBytes),
} as const

/** For a process through which large requests pass: their memory is used for the next ones. Costs what it keeps, and 4 MiB of koffi. */
export async function keepFreedMemory(): Promise<void> {
  await mallopt(trimThreshold, keptBytes)
  await mallopt(mmapThreshold, largestPieceBytes)
}

/**
 * For a process that does one long piece of work beside others, before it loads anything: its young generation stays at its first size, and its threads share
 * one arena of malloc. Grown, they take 30 MiB and save next to no time where most of the work is native.
 */
export async function keepMemorySmall(): Promise<void> {
  setFlagsFromString('--semi-space-growth-factor=1')
  await mallopt(arenaMax, 1)
}

async function mallopt(parameter: number, value: number): Promise<void> {
  try {
    const { default: koffi } = await import('koffi')
    koffi.load('libc.so.6').func('mallopt', 'int', ['int', 'int'])(parameter, value)
  } catch {
    // Another C library than glibc has no such settings, and koffi is not built for every host: neither is a reason to fail.
  }
}

let collect: (() => void) | undefined

/** Gives back what nothing refers to any more. Buffers of megabytes weigh next to nothing in the heap that V8 looks at: left to itself it lets dozens pile up. */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
}
