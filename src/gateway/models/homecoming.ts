import { type BackOff, backOffMs } from '../../process/back-off.js'
import type { Clock } from '../../time.js'
import type { LoadedModels } from './loaded-models.js'
import { type ModelEntry, recordOf } from './model-entry.js'
import { openServing } from './restore.js'
import type { ServingDevice } from './serving-devices.js'
import { openStandIn } from './stand-in.js'
import { findVersion } from './version-rules.js'

/** A library that was taken away and put back is found within minutes, and one that kills its worker does so seldom. */
export const homecomingBackOff: BackOff = { firstMs: 1_000, factor: 2, ceilingMs: 300_000, jitter: 0.2 }

export interface HomecomingOptions {
  readonly loaded: LoadedModels
  readonly clock: Clock
  readonly backOff: BackOff
}

/**
 * Brings active versions back to their devices: when a worker is back or a device has appeared, and again and again where the engine refuses. Until then their
 * stand-ins answer.
 */
export class Homecoming {
  readonly #options: HomecomingOptions
  readonly #ended = new AbortController()
  /** By model: ends the wait before the next try. */
  readonly #coming = new Map<string, AbortController>()
  readonly #running = new Set<Promise<void>>()
  readonly #undo: () => void

  constructor(options: HomecomingOptions) {
    this.#options = options
    this.#undo = options.loaded.devices.on((event, device) => {
      for (const { stored } of this.#users(device)) {
        if (event === 'back') this.bring(stored.name)
        else this.#tellAway(stored.name, device)
      }
    })
  }

  /** Starts to try, or tries at once where the next try is being waited for. */
  bring(name: string): void {
    const waiting = this.#coming.get(name)
    if (waiting === undefined) {
      const running = this.#bring(name)
      this.#running.add(running)
      void running.finally(() => this.#running.delete(running))
    } else waiting.abort()
  }

  /** Resolves when the last try has ended. */
  async close(): Promise<void> {
    this.#undo()
    this.#ended.abort()
    for (const waiting of this.#coming.values()) waiting.abort()
    await Promise.all(this.#running)
  }

  async #bring(name: string): Promise<void> {
    const { clock, backOff } = this.#options
    for (let tries = 0; !this.#ended.signal.aborted; tries += 1) {
      const wait = new AbortController()
      this.#coming.set(name, wait)
      if (await this.#isSettled(name)) break
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

  #tellAway(name: string, { device }: ServingDevice): void {
    const { loaded } = this.#options
    const entry = loaded.find(name)
    const standIn = entry === undefined ? undefined : openStandIn(entry, loaded.devices.reference.device.id)
    if (entry === undefined || standIn === undefined || activeOf(entry)?.device !== device.id) return
    entry.away = `${device.id}: its worker died and is started again: version ${standIn.version} answers`
    loaded.emit({ kind: 'changed', model: recordOf(entry) })
  }
}

const activeOf = ({ stored }: ModelEntry) => (stored.active === undefined ? undefined : findVersion(stored, stored.active))
