import type { CompiledCacheOptions } from '../../engines/engine.js'
import { openvinoEngine } from '../../engines/openvino/engine.js'
import type { DeviceWorkerOptions } from '../../engines/worker/supervised-device-worker.js'
import { startDeviceWorker } from '../../engines/worker/supervised-device-worker.js'
import { errorMessage } from '../../errors.js'
import type { Device } from '../../hardware/device.js'
import type { DeviceSpec } from '../../hardware/device-spec.js'
import { openvinoEnv } from '../../hardware/openvino/probe.js'
import { logger } from '../../log.js'
import type { Precision, ServingDevice, ServingDevices } from './serving-devices.js'

const log = logger('gateway/models')

/** The part of `Hardware` that is followed. */
export interface FoundDevices {
  devices(): readonly Device[]
  on(event: 'changed', listener: (devices: readonly Device[]) => void): () => void
  spec(name: string): DeviceSpec | undefined
}

export interface FollowOpenvinoOptions {
  readonly hardware: FoundDevices
  readonly devices: ServingDevices
  readonly worker: Pick<DeviceWorkerOptions, 'memoryMiB' | 'heartbeatS'>
  /** Where models that were compiled are kept; absent = nowhere. */
  readonly cache?: CompiledCacheOptions
}

/** Workers for the devices of OpenVINO, started as its probe finds them. */
export interface FollowedOpenvino {
  /** Ends the workers, those that are being started too. */
  close(): Promise<void>
}

/**
 * Starts a worker for each device that OpenVINO has and a file in `devices/` describes, and adds it to those that serve. The library is loaded in these
 * workers alone, from where the probe found it; without it there is nothing to start.
 */
export function followOpenvino({ hardware, devices, worker, cache }: FollowOpenvinoOptions): FollowedOpenvino {
  const ended = new AbortController()
  const started = new Map<string, Promise<ServingDevice | undefined>>()
  const look = () => {
    for (const device of hardware.devices()) {
      const spec = device.target === undefined ? undefined : hardware.spec(device.target)
      if (started.has(device.id) || spec === undefined || !openvinoEngine.serves(device).ok) continue
      const starting = start({ device, spec, worker, cache, signal: ended.signal })
      started.set(device.id, starting)
      void starting.then(serving => {
        if (serving !== undefined && !ended.signal.aborted) devices.add(serving)
      })
    }
  }
  const stop = hardware.on('changed', look)
  look()
  return {
    async close() {
      stop()
      ended.abort()
      await Promise.all([...started.values()].map(async starting => (await starting)?.worker.close()))
    },
  }
}

interface Start {
  readonly device: Device
  readonly spec: DeviceSpec
  readonly worker: FollowOpenvinoOptions['worker']
  readonly cache: CompiledCacheOptions | undefined
  readonly signal: AbortSignal
}

async function start({ device, spec, worker, cache, signal }: Start): Promise<ServingDevice | undefined> {
  const env = openvinoEnv(device)
  try {
    return {
      device,
      spec,
      engine: { name: openvinoEngine.name, version: String(device.facts.build) },
      worker: await startDeviceWorker({ device: device.id, ...worker, env, signal }),
      engineDevice: String(device.facts.name),
      precisions: precisionsOf(device),
      env,
      ...(cache === undefined ? {} : { cache }),
    }
  } catch (error) {
    if (!signal.aborted) log.error({ device: device.id, error: errorMessage(error) }, 'no worker for a device of OpenVINO')
    return undefined
  }
}

/** Types that the device computes floats in by itself (OPTIMIZATION_CAPABILITIES), the exact one first. */
function precisionsOf({ features }: Device): readonly Precision[] {
  const names = { FP32: 'float32', BF16: 'bfloat16', FP16: 'float16' } as const
  return Object.entries(names).flatMap(([capability, precision]) => (features.includes(capability) ? [precision] : []))
}
