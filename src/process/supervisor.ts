import { errorMessage, QuantdError } from '../errors.js'
import { logger } from '../log.js'
import { type Clock, systemClock, withTimeout } from '../time.js'
import { type BackOff, backOffMs } from './back-off.js'
import type { Message, RequestOptions } from './channel.js'
import type { Child, Exit } from './child.js'
import { type Heartbeat, startHeartbeat } from './heartbeat.js'

const log = logger('process')

export type SupervisorState = 'starting' | 'ready' | 'restarting' | 'closed'

export interface SupervisorOptions {
  readonly name: string
  /** Starts one process; called again after each loss. */
  start(): Child
  /** Makes a fresh process ready for calls (opens what was open); calls wait for it. A throw counts as a loss. */
  prepare?(request: (meta: unknown, body: Uint8Array, options: RequestOptions) => Promise<Message>): Promise<void>
  readonly backOff?: BackOff
  /** A process that does not answer a ping within `heartbeatMs`, and is not busy within the limit of a call, is killed. */
  readonly heartbeatMs: number
  /** Resident memory above which the process is replaced as soon as it is idle; absent = never. */
  readonly memoryMiB?: number | undefined
  readonly clock?: Clock
  readonly random?: () => number
}

export const workerBackOff: BackOff = { firstMs: 50, factor: 2, ceilingMs: 30_000, jitter: 0.3 }

/** A process that has lived this long starts its back-off from the beginning. */
const settledMs = 60_000
/** How long a process may take to end after its pipe was closed. */
const endLimitMs = 1_000
/** How long `close` waits for calls in flight: whoever closes has waited for what matters. */
const lastCallsMs = 1_000
/** How much heavier than fresh a process may become, whatever its limit. */
const freshFactor = 1.5

interface Call {
  /** Monotonic milliseconds up to which it excuses silence. */
  readonly busyUntil: number
}

/**
 * One child process, kept alive: restarted with back-off when it ends, killed when it does not answer, replaced when it has grown too large and is idle.
 * A call in flight at a loss rejects with ERR_WORKER_GONE; calls made while there is no process wait for the next one, within their time limit.
 */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #clock: Clock
  readonly #stopping = new AbortController()
  readonly #calls = new Set<Call>()
  readonly #listeners = new Set<(event: 'lost' | 'back') => void>()
  #state: SupervisorState = 'starting'
  #child: Child | undefined
  #heartbeat: Heartbeat | undefined
  #ready = openGate()
  #idle: (() => void) | undefined
  #tries = 0
  #restarts = 0
  #lost = false
  #rssMiB: number | undefined
  /** At the first idle ping of this process. */
  #freshMiB: number | undefined
  #recycling = false
  #running: Promise<void> | undefined

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  get state(): SupervisorState {
    return this.#state
  }

  /** Process id and memory are undefined while there is no process. */
  figures(): { pid: number | undefined; restarts: number; rssMiB: number | undefined; inFlight: number } {
    return { pid: this.#child?.pid, restarts: this.#restarts, rssMiB: this.#rssMiB, inFlight: this.#calls.size }
  }

  /** Starts the process and resolves when it is ready. Losses on the way are repeated with back-off, without end: `signal` limits the wait. */
  async start(signal?: AbortSignal): Promise<void> {
    this.#running ??= this.#run()
    await this.#whenReady(signal)
  }

  /** @throws ERR_WORKER_GONE, ERR_WORKER_CLOSED, ERR_TIMEOUT, ERR_ABORTED, or what the process answered */
  async request(meta: unknown, body: Uint8Array, { timeoutMs, silentMs, signal }: RequestOptions): Promise<Message> {
    if (this.#state === 'closed') throw this.#closed()
    const deadline = this.#clock.now() + timeoutMs
    return this.#counted({ timeoutMs, silentMs }, async () => {
      if (this.#state !== 'ready') await this.#whenReady(signal, timeoutMs)
      const child = this.#child
      if (child === undefined) throw new QuantdError('ERR_WORKER_GONE', `${this.#options.name}: the process is gone`)
      return child.channel.request(meta, body, { timeoutMs: Math.max(1, deadline - this.#clock.now()), signal })
    })
  }

  /** Runs `work` as a call in flight: it keeps the process from being replaced, and excuses silence until its limit. */
  async #counted<T>({ timeoutMs, silentMs = timeoutMs }: RequestOptions, work: () => Promise<T>): Promise<T> {
    const call: Call = { busyUntil: this.#clock.now() + silentMs }
    this.#calls.add(call)
    try {
      return await work()
    } finally {
      this.#calls.delete(call)
      if (this.#calls.size === 0) this.#idle?.()
    }
  }

  on(listener: (event: 'lost' | 'back') => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Pings now: a process that does not answer within the heartbeat, and is not excused by a call, is killed. */
  check(): void {
    this.#heartbeat?.check()
  }

  /** Ends the process, whose calls reject with ERR_WORKER_GONE, and starts the next one. */
  replace(reason: string): void {
    if (this.#child === undefined || this.#state === 'closed') return
    log.error({ worker: this.#options.name, reason }, 'worker replaced')
    this.#child.kill()
  }

  /** Refuses new calls, gives those in flight a last moment, then ends the process. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#state !== 'closed') {
      this.#state = 'closed'
      // Calls that still wait for a process would wait in vain.
      this.#ready.fail(this.#closed())
      if (this.#calls.size > 0) await withTimeout(this.#whenIdle(), lastCallsMs, 'calls in flight').catch(() => {}) // a process that hangs answers none
      this.#stopping.abort()
    }
    await this.#running
  }

  /** One process after the other until `close`. */
  async #run(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const startedAt = this.#clock.now()
      const child = this.#options.start()
      this.#child = child
      this.#freshMiB = undefined
      this.#heartbeat = startHeartbeat({
        child,
        name: this.#options.name,
        everyMs: this.#options.heartbeatMs,
        clock: this.#clock,
        busyUntil: () => Math.max(0, ...[...this.#calls].map(call => call.busyUntil)),
        onPong: ({ rssMiB }) => this.#weigh(child, rssMiB),
      })
      const exit = await this.#live(child)
      this.#heartbeat.stop()
      this.#child = undefined
      this.#rssMiB = undefined
      if (signal.aborted || this.state === 'closed') return
      if (this.#recycling) {
        this.#recycling = false
        continue
      }
      this.#restarts += 1
      if (!this.#lost) this.#tell('lost')
      this.#lost = true
      this.#tries = this.#clock.now() - startedAt > settledMs ? 0 : this.#tries
      const waitMs = backOffMs(this.#options.backOff ?? workerBackOff, this.#tries, this.#options.random)
      this.#tries += 1
      log.warn({ worker: this.#options.name, ...describe(exit), restartInMs: Math.round(waitMs) }, 'worker ended')
      await this.#clock.sleep(waitMs, signal).catch(() => {}) // aborted by `close`: the loop's condition sees it
    }
  }

  /** From birth to death: prepares, opens the gate, waits for the end. */
  async #live(child: Child): Promise<Exit> {
    const { name, prepare } = this.#options
    const { signal } = this.#stopping
    const stop = () => void this.#end(child)
    signal.addEventListener('abort', stop, { once: true })
    // Before the first waiter hears of the loss: what it asks next shall wait for the successor.
    void child.channel.closed.then(() => this.#unready())
    try {
      await prepare?.((meta, body, options) => this.#counted(options, () => child.channel.request(meta, body, options)))
      // A process that could not be started has no pid, and its channel never closes by itself.
      if (child.pid !== undefined && this.#state !== 'closed') {
        this.#state = 'ready'
        this.#ready.open()
        if (this.#lost) this.#tell('back')
        this.#lost = false
      }
    } catch (error) {
      if (!signal.aborted) log.error({ worker: name, error: errorMessage(error) }, 'worker not ready')
      child.kill()
    }
    const exit = await child.exited
    this.#unready()
    // Every waiter is told before the next process takes calls.
    if (child.pid !== undefined) await child.channel.closed
    signal.removeEventListener('abort', stop)
    return exit
  }

  /** Closes the pipe, waits for the end, kills what stays. */
  async #end(child: Child): Promise<void> {
    const limit = new AbortController()
    void this.#clock.sleep(endLimitMs, limit.signal).then(
      () => child.kill(),
      () => {},
    )
    void child.channel.close()
    await child.exited
    limit.abort()
  }

  /**
   * Replaces an idle process that has outgrown its limit. What it weighed when it was fresh counts too: models that alone are heavier than the limit would
   * be loaded again and again.
   */
  #weigh(child: Child, rssMiB: number): void {
    const { memoryMiB, name } = this.#options
    this.#rssMiB = rssMiB
    if (memoryMiB === undefined || this.#calls.size > 0 || this.#state !== 'ready') return
    this.#freshMiB ??= rssMiB
    const limitMiB = Math.max(memoryMiB, this.#freshMiB * freshFactor)
    if (rssMiB <= limitMiB) return
    log.info({ worker: name, rssMiB, limitMiB: Math.round(limitMiB) }, 'worker recycled')
    this.#recycling = true
    this.#unready()
    void this.#end(child)
  }

  /** From here on calls wait. A gate that was never opened stays, with those who wait at it. */
  #unready(): void {
    if (this.#state !== 'ready') return
    this.#state = 'restarting'
    this.#ready = openGate()
  }

  async #whenReady(signal?: AbortSignal, limitMs?: number): Promise<void> {
    const stop = new AbortController()
    const waits: Promise<unknown>[] = [this.#ready.opened]
    if (limitMs !== undefined) {
      const late = new QuantdError('ERR_TIMEOUT', `${this.#options.name}: not ready within ${Math.round(limitMs)} ms`, {
        details: { limitMs },
      })
      waits.push(
        this.#clock.sleep(limitMs, stop.signal).then(
          () => Promise.reject(late),
          () => {},
        ),
      )
    }
    const onAbort = new Promise<never>((_, reject) => {
      const abort = () => reject(new QuantdError('ERR_ABORTED', `${this.#options.name}: the wait was cancelled`, { cause: signal?.reason }))
      if (signal?.aborted) abort()
      signal?.addEventListener('abort', abort, { once: true, signal: stop.signal })
    })
    try {
      await Promise.race([...waits, onAbort])
    } finally {
      stop.abort()
    }
  }

  #whenIdle(): Promise<void> {
    return new Promise(resolve => {
      this.#idle = resolve
    })
  }

  #tell(event: 'lost' | 'back'): void {
    for (const listener of this.#listeners) listener(event)
  }

  #closed(): QuantdError {
    return new QuantdError('ERR_WORKER_CLOSED', `${this.#options.name}: the worker is closed`)
  }
}

const describe = ({ code, signal, error }: Exit) => (error === undefined ? { exit: signal ?? code } : { error: error.message })

/** A promise that many wait for; nobody waiting is no unhandled rejection. */
function openGate(): { readonly opened: Promise<void>; open(): void; fail(reason: unknown): void } {
  let open!: () => void
  let fail!: (reason: unknown) => void
  const opened = new Promise<void>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  opened.catch(() => {}) // who waits is told by the promise itself
  return { opened, open, fail }
}
