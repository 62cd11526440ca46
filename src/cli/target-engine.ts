import { engineNamed } from '../engines/catalog.js'
import type { DeviceSpec } from '../hardware/device-spec.js'
import { openvinoEnv, probeOpenvino } from '../hardware/openvino/probe.js'
import type { TargetEngine } from '../quantization/contract.js'

/** The engine of `spec` where it is another than the one that runs floats and this host has it, with the device; undefined: int8 is emulated. */
export async function targetEngine({ engine, match, precision }: DeviceSpec): Promise<TargetEngine | undefined> {
  if (engine !== 'openvino' || precision !== 'int8') return undefined
  const { devices } = await probeOpenvino()
  const device = devices.find(({ facts }) => facts.device === match.device)
  if (device === undefined) return undefined
  // Before this process loads the library.
  Object.assign(process.env, openvinoEnv(device))
  return { engine: engineNamed('openvino'), options: { device: String(device.facts.name) } }
}
