import { errorMessage } from '../errors.js'
import { logger } from '../log.js'
import { withTimeout } from '../time.js'
import type { SdNotify } from './sd-notify.js'

const log = logger('service')

/** Something that must go on for the daemon to be worth keeping alive: resolves when it answered just now, rejects when it did not. */
export type Progress = () => Promise<void>

export interface WatchdogOptions {
  readonly notify: SdNotify
  /** What is asked before each beat, by name: the journal's writer thread, the device workers, ... */
  readonly progress: Readonly<Record<string, Progress>>
  /** WATCHDOG_USEC of the environment; undefined = systemd wants no beats. */
  readonly limitUs: number | undefined
}

/**
 * Beats twice within systemd's limit, and only after everything in `progress` answered within a quarter of it: a loop that merely turns is no proof of
 * service. A missed beat is logged with its reason; systemd restarts the service when they go on.
 */
export class Watchdog {
  readonly #options: WatchdogOptions
  #timer: NodeJS.Timeout | undefined

  constructor(options: WatchdogOptions) {
    this.#options = options
  }

  start(): void {
    const { limitUs } = this.#options
    if (limitUs === undefined || this.#timer !== undefined) return
    const limitMs = limitUs / 1000
    this.#timer = setInterval(() => void this.beat(limitMs / 4), limitMs / 2)
    this.#timer.unref()
  }

  /** One beat; exposed for tests. @returns whether systemd was told */
  async beat(limitMs: number): Promise<boolean> {
    try {
      await Promise.all(Object.entries(this.#options.progress).map(([name, ask]) => withTimeout(ask(), limitMs, `watchdog: ${name}`)))
      this.#options.notify.watchdog()
      return true
    } catch (error) {
      log.error({ reason: errorMessage(error) }, 'no watchdog beat')
      return false
    }
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}

/** The limit that systemd set for this very process (sd_watchdog_enabled(3)), in microseconds. */
export function watchdogLimitUs(environment: NodeJS.ProcessEnv = process.env, pid: number = process.pid): number | undefined {
  const limit = Number(environment.WATCHDOG_USEC)
  if (!Number.isFinite(limit) || limit <= 0) return undefined
  return environment.WATCHDOG_PID === undefined || Number(environment.WATCHDOG_PID) === pid ? limit : undefined
}
