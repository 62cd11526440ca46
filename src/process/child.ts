import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import type { Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { errorMessage } from '../errors.js'
import { logger } from '../log.js'
import { Channel, type RequestHandler } from './channel.js'
import { residentMiB } from './memory.js'
import { SharedMemory } from './shared-memory.js'

const log = logger('process')

/** How one worker process is started. */
export interface ChildOptions {
  /** Compiled entry file: `new URL('./entry.js', import.meta.url)`. */
  readonly entry: URL
  /** For messages, and the process title's argument. */
  readonly name: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Limit of the JavaScript heap; tensors and native libraries are not in it. */
  readonly heapMiB?: number
  /** -20..19; 10 for work that must yield to serving. */
  readonly nice?: number
  /** 0..1000: who is killed first when memory runs out; a process may only raise its own. */
  readonly oomScore?: number
  /** Whether large bodies go through shared memory, where the host has it; the child then asks nothing. */
  readonly bodies?: 'piped' | 'shared'
  /** Answers requests of the child. */
  readonly onRequest?: RequestHandler
  readonly onEvent?: (event: { readonly meta: unknown; readonly body: Uint8Array }) => void
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** Set when the process could not be started at all. */
  readonly error?: Error
}

/** A running worker: its channel, and how it ended. */
export interface Child {
  readonly pid: number | undefined
  readonly channel: Channel
  readonly exited: Promise<Exit>
  /** The whole truth for a process that does not listen any more: SIGKILL. */
  kill(): void
}

/** Tells a child that its fd 4 is memory that it shares with us. */
export const sharedMemoryFlag = '--shared-memory'

/**
 * Starts one of our own entry files with node: requests over a socketpair as its fd 3, stdout and stderr into our stderr, no stdin.
 * The child ends by itself when this process does, since its pipe closes.
 */
export function startChild({ entry, name, args = [], env = {}, heapMiB, nice, oomScore, bodies, onRequest, onEvent }: ChildOptions): Child {
  const flags = heapMiB === undefined ? [] : [`--max-old-space-size=${Math.round(heapMiB)}`]
  const memory = bodies === 'shared' ? SharedMemory.create() : undefined
  const more = memory === undefined ? [] : [sharedMemoryFlag]
  const spawned = spawn(process.execPath, [...flags, fileURLToPath(entry), ...args, ...more], {
    stdio: ['ignore', 2, 2, 'pipe', ...(memory === undefined ? [] : [memory.fd])],
    env: { ...process.env, ...env },
  })
  const channel = new Channel(spawned.stdio[3] as Duplex, {
    peer: name,
    ...(onRequest === undefined ? {} : { onRequest }),
    ...(onEvent === undefined ? {} : { onEvent }),
    ...(memory === undefined ? {} : { memory }),
  })
  void channel.closed.then(() => memory?.close())
  const exited = new Promise<Exit>(resolve => {
    spawned.once('error', error => resolve({ code: null, signal: null, error }))
    spawned.once('exit', (code, signal) => resolve({ code, signal }))
  })
  if (nice !== undefined) lowerPriority(spawned, nice)
  if (oomScore !== undefined) offerToOomKiller(spawned, oomScore)
  return { pid: spawned.pid, channel, exited, kill: () => void spawned.kill('SIGKILL') }
}

/** On Linux a priority belongs to a thread: those that exist are set one by one, those to come inherit. */
function lowerPriority({ pid }: ChildProcess, nice: number): void {
  if (pid === undefined) return
  try {
    const threads = process.platform === 'linux' ? readdirSync(`/proc/${pid}/task`).map(Number) : [pid]
    for (const thread of threads) setPriority(thread, nice)
  } catch (error) {
    log.warn({ pid, nice, error: errorMessage(error) }, 'priority of a worker not set')
  }
}

function offerToOomKiller({ pid }: ChildProcess, oomScore: number): void {
  if (pid === undefined || process.platform !== 'linux') return
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(oomScore))
  } catch (error) {
    log.warn({ pid, oomScore, error: errorMessage(error) }, 'order of killing on lack of memory not set')
  }
}

/** What every worker answers beside its own requests: that it is alive, and what it weighs. */
export const ping = { do: 'ping' } as const
export interface Pong {
  readonly rssMiB: number
}

export const isPing = (meta: unknown): boolean => (meta as { do?: unknown } | null)?.do === 'ping'

export const pong = (): Pong => ({ rssMiB: residentMiB() })
