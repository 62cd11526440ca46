import { logger } from '../log.js'
import type { Clock } from '../time.js'
import { noBody } from './channel.js'
import { type Child, type Pong, ping } from './child.js'

const log = logger('process')

export interface HeartbeatOptions {
  readonly child: Child
  readonly name: string
  readonly everyMs: number
  readonly clock: Clock
  /** Monotonic milliseconds at which the calls now in flight end at the latest. */
  busyUntil(): number
  onPong(pong: Pong): void
}

/** Pings one process until it ends. */
export interface Heartbeat {
  /** Pings now instead of at the next interval: somebody has waited for longer than he should. */
  check(): void
  stop(): void
}

/** Longer than any process lives: the answer is waited for, how long is decided here. */
const unlimited = 2 ** 31 - 1
/** How long a process may take to load its code on a small, busy host before its first answer. */
const bootLimitMs = 30_000

/**
 * Pings a process until it is stopped, and kills it when it stays silent. Silence is excused for one interval, and for as long as a call
 * that was in flight at the ping may take: a loop that is blocked by a long inference is no fault. Later calls excuse nothing.
 */
export function startHeartbeat({ child, name, everyMs, clock, busyUntil, onPong }: HeartbeatOptions): Heartbeat {
  const stop = new AbortController()
  let wake = new AbortController()
  const pause = async () => {
    wake = new AbortController()
    await clock.sleep(everyMs, AbortSignal.any([wake.signal, stop.signal])).catch(() => {}) // woken or stopped: seen below
  }
  const loop = async () => {
    for (;;) {
      await pause()
      if (stop.signal.aborted) return
      const askedAt = clock.now()
      const patienceMs = Math.max(everyMs, child.channel.hasHeard ? 0 : bootLimitMs, busyUntil() - askedAt)
      const answer = child.channel.request(ping, noBody, { timeoutMs: unlimited, signal: stop.signal })
      const answered = new AbortController()
      const late = clock.sleep(patienceMs, answered.signal).then(
        () => undefined,
        () => undefined,
      )
      const pong = await Promise.race([answer.then(({ meta }) => meta as Pong), late]).finally(() => answered.abort())
      if (pong === undefined) {
        log.error({ worker: name, silentMs: Math.round(clock.now() - askedAt) }, 'worker does not answer: killed')
        child.kill()
        return
      }
      onPong(pong)
    }
  }
  // The loop ends with the process (ERR_WORKER_GONE) or when it is stopped (ERR_ABORTED): who waits for either is told elsewhere.
  loop().catch(() => {})
  return { check: () => wake.abort(), stop: () => stop.abort() }
}
