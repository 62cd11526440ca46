import { readFileSync } from 'node:fs'
import { QuantdError } from '../errors.js'
import { type Message, noBody } from './channel.js'
import { type ChildOptions, startChild } from './child.js'

export interface LimitedRun extends Omit<ChildOptions, 'heapMiB'> {
  readonly request: unknown
  /** Resident memory of the whole process, tensors and libraries included. */
  readonly memoryMiB: number
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/** How often the memory of the process is looked at. */
const lookEveryMs = 100

/**
 * One request to a process of its own, which ends with it: for work on what nobody has checked yet, and for work that may be cancelled at any moment.
 * On abort, at the time limit and above the memory limit the process is killed.
 * @throws ERR_WORKER_MEMORY, ERR_WORKER_GONE, ERR_TIMEOUT, ERR_ABORTED, or what the process answered
 */
export async function runLimited({ request, memoryMiB, timeoutMs, signal, ...options }: LimitedRun): Promise<Message> {
  const child = startChild({ ...options, heapMiB: memoryMiB })
  let usedMiB: number | undefined
  const watch = setInterval(() => {
    const rss = child.pid === undefined ? undefined : residentMiBOf(child.pid)
    if (rss === undefined || rss <= memoryMiB) return
    usedMiB = rss
    child.kill()
  }, lookEveryMs)
  try {
    return await child.channel.request(request, noBody, { timeoutMs, signal })
  } catch (error) {
    const gone = error instanceof QuantdError && error.code === 'ERR_WORKER_GONE'
    if (!gone) throw error
    const { code, signal: by } = await child.exited
    // V8 ends the process itself (SIGABRT, or 134 under a shell) when its heap is full.
    if (usedMiB !== undefined || by === 'SIGABRT' || code === 134) {
      throw new QuantdError('ERR_WORKER_MEMORY', `${options.name}: needed more than ${memoryMiB} MiB`, {
        details: { memoryMiB, ...(usedMiB === undefined ? {} : { usedMiB }) },
        cause: error,
      })
    }
    throw new QuantdError('ERR_WORKER_GONE', `${options.name}: the process ended with ${by ?? code} before it answered`, { cause: error })
  } finally {
    clearInterval(watch)
    child.kill()
    await child.exited
  }
}

/** VmRSS of another process; undefined where /proc does not tell. */
function residentMiBOf(pid: number): number | undefined {
  try {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kib === undefined ? undefined : Number(kib) / 1024
  } catch {
    // The process has just ended, or this is no Linux.
    return undefined
  }
}
