import type { CompiledCacheOptions, OpenOptions } from '../../engines/engine.js'
import type { DeviceWorker } from '../../engines/worker/device-worker.js'
import type { EngineOptions } from '../../engines/worker/protocol.js'
import type { Device } from '../../hardware/device.js'
import type { DeviceSpec } from '../../hardware/device-spec.js'

/** Type in which a float model is computed. */
export type Precision = NonNullable<OpenOptions['precision']>

/** A device whose worker takes models, the engine that runs them there, and what its file in `devices/` says. */
export interface ServingDevice {
  readonly device: Device
  readonly spec: DeviceSpec
  readonly engine: { readonly name: string; readonly version: string }
  readonly worker: DeviceWorker
  /** How the engine names the device, where it has several. */
  readonly engineDevice?: string
  /** Types in which the float model may run there as a version of its own; none on the reference, whose float is the bundle's. */
  readonly precisions: readonly Precision[]
  /** What a process needs in its environment to run the engine. */
  readonly env: Readonly<Record<string, string>>
  /** Where its engine keeps what it compiled; absent = nowhere. */
  readonly cache?: CompiledCacheOptions
}

/** lost, back: its worker died, or takes calls; silent, trusted: a request was not answered in time, or is after all. */
export type DeviceEvent = 'lost' | 'back' | 'silent' | 'trusted'

type Listener = (event: DeviceEvent, device: ServingDevice) => void

/**
 * The devices that serve now. The first, the reference, is the processor by ONNX Runtime: it is there as long as the daemon is, runs the float model of every
 * bundle, and answers for the others while they are gone. The others come when their probe has found them.
 */
export class ServingDevices {
  readonly reference: ServingDevice
  readonly #devices = new Map<string, ServingDevice>()
  readonly #listeners = new Set<Listener>()
  readonly #undo: (() => void)[] = []
  readonly #silent = new Set<string>()

  constructor(reference: ServingDevice) {
    this.reference = reference
    this.#watch(reference)
  }

  /** Takes a device in: whoever waits for it hears 'back'. */
  add(device: ServingDevice): void {
    this.#watch(device)
    this.#tell('back', device)
  }

  get(id: string): ServingDevice | undefined {
    return this.#devices.get(id)
  }

  /** True from a request that was not answered in time until one is, or its worker is a new one: nothing is sent there that another can answer. */
  isSilent(id: string): boolean {
    return this.#silent.has(id)
  }

  /** Says that a device, other than the reference, does not answer or that it does. */
  setSilent(id: string, silent: boolean): void {
    const device = this.#devices.get(id)
    if (device === undefined || device === this.reference || this.#silent.has(id) === silent) return
    if (silent) this.#silent.add(id)
    else this.#silent.delete(id)
    this.#tell(silent ? 'silent' : 'trusted', device)
  }

  /** The reference first. */
  all(): readonly ServingDevice[] {
    return [...this.#devices.values()]
  }

  on(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Stops listening to the workers; who started them ends them. */
  close(): void {
    for (const undo of this.#undo.splice(0)) undo()
  }

  #watch(device: ServingDevice): void {
    this.#devices.set(device.device.id, device)
    this.#undo.push(
      device.worker.on(event => {
        // Of a new process nothing is known yet.
        this.#silent.delete(device.device.id)
        this.#tell(event, device)
      }),
    )
  }

  #tell(event: DeviceEvent, device: ServingDevice): void {
    for (const listener of this.#listeners) listener(event, device)
  }
}

/** What a session of one version is opened with on its device. */
export function engineOptions({ engineDevice }: ServingDevice, precision: Precision | undefined): EngineOptions {
  return {
    ...(engineDevice === undefined ? {} : { device: engineDevice }),
    ...(precision === undefined ? {} : { precision }),
  }
}
