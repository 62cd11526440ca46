import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Resident memory of this process in MiB. */
export const residentMiB = (): number => Math.round(process.memoryUsage.rss() / 2 ** 20)

/** The most that this process has had resident so far, in MiB. */
export const peakResidentMiB = (): number => Math.round(process.resourceUsage().maxRSS / 1024)

/** Of glibc's malloc.h. */
const arenaMax = -8

/**
 * For a process that does one long piece of work beside others, before it loads anything: its young generation stays at its first size, and its threads share
 * one arena of malloc. Grown, they take 30 MiB and save next to no time where most of the work is native.
 */
export async function keepMemorySmall(): Promise<void> {
  setFlagsFromString('--semi-space-growth-factor=1')
  try {
    const { default: koffi } = await import('koffi')
    koffi.load('libc.so.6').func('mallopt', 'int', ['int', 'int'])(arenaMax, 1)
  } catch {
    // Another C library than glibc has no arenas of this kind, and koffi is not built for every host: more memory is no reason to fail.
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
