import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Resident memory of this process in MiB. */
export const residentMiB = (): number => Math.round(process.memoryUsage.rss() / 2 ** 20)

/**
 * For a process that does one long piece of work beside others: its young generation stays at its first size. Grown, it takes 30 MiB and saves next to no time
 * where most of the work is native.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
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
