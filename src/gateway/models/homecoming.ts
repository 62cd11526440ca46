import { logger } from '../../log.js'
import { type BackOff, backOffMs } from '../../process/back-off.js'
import type { Clock } from '../../time.js'
import type { LoadedModels } from './loaded-models.js'
import { type ModelEntry, recordOf } from './model-entry.js'
import { openServing } from './restore.js'
import type { ServingDevice } from './serving-devices.js'
import { openStandIn } from './stand-in.js'
import { findVersion } from './version-rules.js'

const log = logger('gateway/models')

/** A library that was taken away and put back is found within minutes, and one that kills its worker does so seldom. */
export const homecomingBackOff: BackOff = { firstMs: 1_000, factor: 2, ceilingMs: 300_000, jitter: 0.2 }

export interface HomecomingOptions {
  readonly loaded: LoadedModels
  readonly clock: Clock
  readonly backOff: BackOff
}

/** A version that did well for this long is forgiven what it failed on before. */
const forgivenMs = 600_000

interface Dismissals {
  readonly count: number
  /** Monotonic milliseconds. */
  readonly last: number
}

/**
 * Brings active versions back to their devices: when a worker is back or a device has appeared, and again and again where the engine refuses. Until then their
 * stand-ins answer.
 * A version that its engine opens and then fails on is taken away by `dismiss`, each time for longer.
 */
export class Homecoming {
  readonly #options: HomecomingOptions
  readonly #ended = new AbortController()
  /** By model: ends the wait before the next try. */
  readonly #coming = new Map<string, AbortController>()
  readonly #running = new Set<Promise<void>>()
  readonly #dismissed = new Map<string, Dismissals>()
  readonly #undo: () => void

  constructor(options: HomecomingOptions) {
    this.#options = options
    this.#undo = options.loaded.devices.on((event, device) => {
      for (const { stored } of this.#users(device)) {
        if (event === 'back') this.bring(stored.name)
        else if (event === 'trusted') this.#tellHome(stored.name)
        else this.#tellAway(stored.name, device, event === 'lost' ? 'its worker died and is started again' : 'it does not answer')
      }
    })
  }

  /** Starts to try, or tries at once where the next try is being waited for. */
  bring(name: string): void {
    const waiting = this.#coming.get(name)
    if (waiting === undefined) this.#run(this.#bring(name))
    else waiting.abort()
  }

  /** Closes a version that fails on what its stand-in answers, and opens it again later: the more often it had to be, the later. */
  dismiss(name: string, version: string, why: string): void {
    const { loaded, clock } = this.#options
    const entry = loaded.find(name)
    const session = entry?.sessions.get(version)
    if (entry === undefined || session === undefined || activeOf(entry)?.version !== version) return
    const standIn = openStandIn(entry, loaded.devices.reference.device.id)
    if (standIn === undefined) return
    const before = this.#dismissed.get(name)
    const count = before === undefined || clock.now() - before.last > forgivenMs ? 1 : before.count + 1
    this.#dismissed.set(name, { count, last: clock.now() })
    entry.sessions.drop(version)
    entry.away = `version ${version} fails on ${session.device} (${why}): version ${standIn.version} answers`
    log.error({ model: name, version, device: session.device, why, times: count }, 'version taken out of service')
    loaded.emit({ kind: 'changed', model: recordOf(entry) })
    if (!this.#coming.has(name)) this.#run(this.#bring(name, count))
  }

  /** Resolves when the last try has ended. */
  async close(): Promise<void> {
    this.#undo()
    this.#ended.abort()
    for (const waiting of this.#coming.values()) waiting.abort()
    await Promise.all(this.#running)
  }

  #run(running: Promise<void>): void {
    this.#running.add(running)
    void running.finally(() => this.#running.delete(running))
  }

  /** @param dismissals above 0: the first try waits, too */
  async #bring(name: string, dismissals = 0): Promise<void> {
    const { clock, backOff } = this.#options
    for (let tries = Math.max(0, dismissals - 1); !this.#ended.signal.aborted; tries += 1) {
      const wait = new AbortController()
      this.#coming.set(name, wait)
      const waitsFirst = dismissals > 0 && tries === dismissals - 1
      if (!waitsFirst && (await this.#isSettled(name))) break
      // Woken by `bring` or `close`: both are seen by the loop.
      await clock.sleep(backOffMs(backOff, tries), wait.signal).catch(() => {})
    }
    this.#coming.delete(name)
  }

  /** One try. False: to be tried again although nothing will tell. */
  #isSettled(name: string): Promise<boolean> {
    const { loaded } = this.#options
    return loaded.alone(name, async () => {
      const entry = loaded.find(name)
      const active = entry === undefined ? undefined : activeOf(entry)
      if (entry === undefined || active === undefined) return true
      const serving = loaded.devices.get(active.device)
      if (serving?.worker.state !== 'ready') return true // its 'back' brings the next try
      const lost = entry.sessions.forgetLost()
      if (lost.length > 0 || entry.away !== '' || entry.sessions.get(active.version) === undefined) await openServing(loaded, entry)
      return entry.away === ''
    })
  }

  /** Models with something open on the device, or something active that should be. */
  #users({ device }: ServingDevice): readonly ModelEntry[] {
    return this.#options.loaded
      .all()
      .filter(entry => activeOf(entry)?.device === device.id || entry.sessions.all().some(session => session.device === device.id))
  }

  #tellAway(name: string, { device }: ServingDevice, why: string): void {
    const { loaded } = this.#options
    const entry = loaded.find(name)
    const standIn = entry === undefined ? undefined : openStandIn(entry, loaded.devices.reference.device.id)
    if (entry === undefined || standIn === undefined || activeOf(entry)?.device !== device.id) return
    entry.away = `${device.id}: ${why}: version ${standIn.version} answers`
    loaded.emit({ kind: 'changed', model: recordOf(entry) })
  }

  #tellHome(name: string): void {
    const { loaded } = this.#options
    const entry = loaded.find(name)
    const active = entry === undefined ? undefined : activeOf(entry)
    if (entry === undefined || active === undefined || entry.sessions.get(active.version)?.isOpen !== true) return
    entry.away = ''
    loaded.emit({ kind: 'changed', model: recordOf(entry) })
  }
}

const activeOf = ({ stored }: ModelEntry) => (stored.active === undefined ? undefined : findVersion(stored, stored.active))
