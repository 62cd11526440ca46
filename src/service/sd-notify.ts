import { createRequire } from 'node:module'
import { errorMessage } from '../errors.js'
import { logger } from '../log.js'

const log = logger('service')

/** The part of koffi that is used here: it ships no types for `require`. */
interface Koffi {
  load(library: string): { func(prototype: string): (unset: number, state: string) => number }
}

type Send = (state: string) => void

/**
 * Tells systemd about this process: sd_notify(3) of the host's own libsystemd, called in process through koffi. Node has no AF_UNIX datagram sockets, and a
 * `systemd-notify` child per beat is another process that systemd must be told to trust; this way `NotifyAccess=main` holds. Without NOTIFY_SOCKET
 * (not started by systemd) every call does nothing; without libsystemd that is said once.
 */
export class SdNotify {
  readonly #send: Send | undefined

  constructor(environment: NodeJS.ProcessEnv = process.env) {
    this.#send = environment.NOTIFY_SOCKET === undefined ? undefined : connect()
  }

  /** False when nobody listens: started by hand, or libsystemd is missing. */
  get connected(): boolean {
    return this.#send !== undefined
  }

  ready(status: string): void {
    this.#send?.(`READY=1\nSTATUS=${status}`)
  }

  stopping(status: string): void {
    this.#send?.(`STOPPING=1\nSTATUS=${status}`)
  }

  status(status: string): void {
    this.#send?.(`STATUS=${status}`)
  }

  watchdog(): void {
    this.#send?.('WATCHDOG=1')
  }
}

function connect(): Send | undefined {
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi
    const notify = koffi.load('libsystemd.so.0').func('int sd_notify(int unset_environment, const char *state)')
    return state => {
      const sent = notify(0, state)
      if (sent < 0) log.warn({ errno: -sent }, 'systemd did not take a notification')
    }
  } catch (error) {
    log.warn({ reason: errorMessage(error) }, 'libsystemd cannot be used: systemd will not hear that the service is ready')
    return undefined
  }
}
