import { access, constants } from 'node:fs/promises'
import { errorMessage } from '../../errors.js'
import { type Clock, systemClock } from '../../time.js'
import type { Device } from '../device.js'
import { vpuDevice } from './movidius.js'
import { openUsbBus, type UsbBus, type UsbDeviceInfo } from './usb-bus.js'

export interface UsbWatchOptions {
  readonly pollMs: number
  readonly open?: () => Promise<UsbBus>
  /** Why a device node cannot be opened by us; '' when it can. */
  readonly access?: (info: UsbDeviceInfo) => Promise<string>
  readonly clock?: Clock
}

/** The usbfs node of a device, tried for reading and writing as opening it would need. */
async function nodeAccess({ bus, address }: UsbDeviceInfo): Promise<string> {
  const node = `/dev/bus/usb/${bus.padStart(3, '0')}/${String(address).padStart(3, '0')}`
  try {
    await access(node, constants.R_OK | constants.W_OK)
    return ''
  } catch (error) {
    return `${node} cannot be opened (${(error as NodeJS.ErrnoException).code}): install systemd/quantd.rules and join the group plugdev`
  }
}

/**
 * Movidius sticks as they come and go. Listings are the truth: at start, on every hot-plug event, and each `pollMs` besides, because there are
 * no events in containers without udev. A stick that is gone stays as `absent` until its port is used again.
 */
export class UsbWatch {
  readonly #options: Required<UsbWatchOptions>
  readonly #listeners = new Set<() => void>()
  readonly #ended = new AbortController()
  #bus: UsbBus | undefined
  #unwatch: (() => Promise<void>) | undefined
  #devices = new Map<string, Device>()
  #reason = ''
  #listing: Promise<void> | undefined
  #again = false
  #polling: Promise<void> | undefined

  constructor({ pollMs, open = openUsbBus, access = nodeAccess, clock = systemClock }: UsbWatchOptions) {
    this.#options = { pollMs, open, access, clock }
  }

  /** Lists once, subscribes, starts polling. Never throws: what is missing becomes `reason`. */
  async start(): Promise<void> {
    await this.#list()
    this.#polling = this.#poll()
  }

  devices(): readonly Device[] {
    return [...this.#devices.values()].sort((a, b) => a.id.localeCompare(b.id))
  }

  /** Why nothing was found or why events are missing; '' when all is well. */
  get reason(): string {
    return this.#reason
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Safe to call twice. Resolves after the listing in progress. */
  async close(): Promise<void> {
    this.#ended.abort()
    await this.#polling
    await this.#listing
    const unwatch = this.#unwatch
    this.#unwatch = undefined
    await unwatch?.()
  }

  /** One listing at a time; a wish during one leads to exactly one more. */
  #list(): Promise<void> {
    if (this.#listing !== undefined) {
      this.#again = true
      return this.#listing
    }
    this.#listing = (async () => {
      do {
        this.#again = false
        await this.#listOnce()
      } while (this.#again && !this.#ended.signal.aborted)
    })().finally(() => {
      this.#listing = undefined
    })
    return this.#listing
  }

  async #listOnce(): Promise<void> {
    let found: readonly Device[] = []
    let reason = ''
    try {
      this.#bus ??= await this.#options.open()
      const infos = await this.#bus.list()
      const devices = await Promise.all(
        infos.map(async info => vpuDevice(info, vpuDevice(info, '') ? await this.#options.access(info) : '')),
      )
      found = devices.filter(device => device !== undefined)
      reason = await this.#subscribe(this.#bus)
    } catch (error) {
      reason = whyNone(errorMessage(error))
    }
    if (this.#update(found) || reason !== this.#reason) {
      this.#reason = reason
      for (const listener of this.#listeners) listener()
    }
  }

  /** Events only after a listing has worked: without a USB host there is nothing to wait for. Tried again with each listing. */
  async #subscribe(bus: UsbBus): Promise<string> {
    if (this.#unwatch !== undefined || this.#ended.signal.aborted) return ''
    try {
      this.#unwatch = await bus.watch(() => void this.#list())
      return ''
    } catch (error) {
      return `no hot-plug events (${errorMessage(error)}): sticks are found by polling`
    }
  }

  /** @returns whether anything changed */
  #update(found: readonly Device[]): boolean {
    const now = new Map(found.map(device => [device.id, device]))
    for (const [id, before] of this.#devices) {
      if (!now.has(id)) now.set(id, { ...before, state: 'absent', why: 'unplugged' })
    }
    const changed = JSON.stringify([...now].sort()) !== JSON.stringify([...this.#devices].sort())
    this.#devices = now
    return changed
  }

  async #poll(): Promise<void> {
    const { signal } = this.#ended
    while (!signal.aborted) {
      try {
        await this.#options.clock.sleep(this.#options.pollMs, signal)
      } catch {
        return // aborted: the only way that sleep rejects
      }
      await this.#list()
    }
  }
}

/** What a failed listing means to an operator; the foreign text stays behind it. */
function whyNone(message: string): string {
  return /errno 2\b/.test(message) ? `this host has no USB (${message})` : message
}
