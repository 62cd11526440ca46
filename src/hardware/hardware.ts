import type { Config } from '../config/schema.js'
import { logger } from '../log.js'
import { probeCpu } from './cpu/probe.js'
import type { Device } from './device.js'
import type { DeviceSpec } from './device-spec.js'
import { type GpuFindings, probeGpu } from './gpu/probe.js'
import { loadDeviceSpecs, matchSpec } from './match.js'
import { openvinoFolder } from './openvino/folder.js'
import { type OpenvinoFindings, probeOpenvino } from './openvino/probe.js'
import { UsbWatch } from './usb/usb-watch.js'

const log = logger('hardware')

/** The probes, handed in so that a test can hand in others. */
export interface Probes {
  readonly cpu: () => Device
  readonly gpu: (signal: AbortSignal) => Promise<GpuFindings>
  readonly openvino: (options: { readonly signal: AbortSignal; readonly privateFolder: string }) => Promise<OpenvinoFindings>
  readonly usb: (pollMs: number) => UsbWatch
}

const realProbes: Probes = {
  cpu: probeCpu,
  gpu: signal => probeGpu({ signal }),
  openvino: probeOpenvino,
  usb: pollMs => new UsbWatch({ pollMs }),
}

export interface DiscoverOptions {
  readonly signal?: AbortSignal
  readonly specs?: readonly DeviceSpec[]
  readonly probes?: Partial<Probes>
}

/** A probe that found nothing, and why, in one sentence. */
export interface Note {
  readonly probe: 'gpu' | 'openvino' | 'usb'
  readonly reason: string
}

/** What this host has. The processor is known when `discover` resolves; GPUs and sticks follow by 'changed', `settled` waits for the first round. */
export class Hardware {
  readonly #cpu: Device
  readonly #specs: readonly DeviceSpec[]
  readonly #listeners = new Set<() => void>()
  readonly #ended = new AbortController()
  #usb: UsbWatch | undefined
  #gpu: GpuFindings = { devices: [], reason: '' }
  #openvino: OpenvinoFindings = { devices: [], reason: '' }
  #first: Promise<unknown> = Promise.resolve()

  private constructor(cpu: Device, specs: readonly DeviceSpec[]) {
    this.#cpu = cpu
    this.#specs = specs
  }

  /** @throws ERR_HARDWARE_SPEC for a broken file of devices/; a probe that fails is a note, not an error */
  static async discover(
    config: Pick<Config, 'discovery' | 'state_dir'>,
    { signal, specs, probes = {} }: DiscoverOptions = {},
  ): Promise<Hardware> {
    const { cpu, gpu, openvino, usb } = { ...realProbes, ...probes }
    const hardware = new Hardware(cpu(), specs ?? (await loadDeviceSpecs()))
    const ended = hardware.#ended
    if (signal?.aborted) ended.abort()
    signal?.addEventListener('abort', () => ended.abort(), { once: true, signal: ended.signal })
    const gpus = config.discovery.gpu ? gpu(ended.signal).then(found => hardware.#foundGpus(found)) : undefined
    const found = config.discovery.openvino
      ? openvino({ signal: ended.signal, privateFolder: openvinoFolder(config.state_dir) }).then(answer => hardware.#foundOpenvino(answer))
      : undefined
    const watch = config.discovery.usb ? usb(config.discovery.usb_poll_s * 1000) : undefined
    hardware.#usb = watch
    watch?.onChange(() => hardware.#emit())
    hardware.#first = Promise.all([gpus, found, watch?.start()])
    log.info({ device: 'cpu0', name: hardware.#cpu.name, target: hardware.devices()[0]?.target }, 'processor found')
    return hardware
  }

  /** All of them, sorted: processor, what OpenVINO has, GPUs, sticks. Frozen snapshots: a change is a new list. */
  devices(): readonly Device[] {
    return [this.#cpu, ...this.#openvino.devices, ...this.#gpu.devices, ...(this.#usb?.devices() ?? [])].map(device =>
      this.#described(device),
    )
  }

  /** Resolves when every probe has answered once. */
  async settled(): Promise<void> {
    await this.#first
  }

  notes(): readonly Note[] {
    const notes: readonly Note[] = [
      { probe: 'gpu', reason: this.#gpu.reason },
      { probe: 'openvino', reason: this.#openvino.reason },
      { probe: 'usb', reason: this.#usb?.reason ?? '' },
    ]
    return notes.filter(({ reason }) => reason !== '')
  }

  spec(name: string): DeviceSpec | undefined {
    return this.#specs.find(spec => spec.name === name)
  }

  on(event: 'changed', listener: (devices: readonly Device[]) => void): () => void {
    const call = event === 'changed' ? () => listener(this.devices()) : undefined
    if (call !== undefined) this.#listeners.add(call)
    return () => void (call !== undefined && this.#listeners.delete(call))
  }

  /** Ends probes and polling. Safe to call twice. */
  async close(): Promise<void> {
    this.#ended.abort()
    this.#listeners.clear()
    await this.#first
    await this.#usb?.close()
  }

  #described(device: Device): Device {
    const spec = matchSpec(device, this.#specs)
    if (spec === undefined) return Object.freeze({ ...device, why: device.why || 'no file in devices/ describes it: reported, not used' })
    const served = spec.engine === null ? 'no engine serves this device yet' : `served by ${spec.engine}`
    return Object.freeze({ ...device, target: spec.name, why: [device.why, served].filter(text => text !== '').join('; ') })
  }

  #foundGpus(found: GpuFindings): void {
    this.#gpu = found
    log.info({ gpus: found.devices.length, ...(found.reason === '' ? {} : { reason: found.reason }) }, 'looked for GPUs')
    if (found.devices.length > 0) this.#emit()
  }

  #foundOpenvino(found: OpenvinoFindings): void {
    this.#openvino = found
    const { devices, reason, library } = found
    log.info({ devices: devices.length, ...library, ...(reason === '' ? {} : { reason }) }, 'looked for OpenVINO')
    if (devices.length > 0) this.#emit()
  }

  #emit(): void {
    for (const listener of this.#listeners) listener()
  }
}
