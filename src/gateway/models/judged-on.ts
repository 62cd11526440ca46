import type { ServingDevice, ServingDevices } from './serving-devices.js'
import type { StoredModel, StoredVersion } from './stored-model.js'
import { findVersion } from './version-rules.js'

/** Engine and processor as judgements name them: what a version answers, and how fast, holds for these alone (DECISIONS, Judge). */
export function judgedOn({ device, engine }: Pick<ServingDevice, 'device' | 'engine'>): string {
  return `${engine.name} ${engine.version}, ${device.name} (${[...device.features].sort().join(' ')})`
}

/** The active version, when it was judged elsewhere than where it runs now; one whose device is not there cannot be judged again. */
export function staleVersion(stored: StoredModel, devices: ServingDevices): StoredVersion | undefined {
  const active = stored.active === undefined ? undefined : findVersion(stored, stored.active)
  const serving = active === undefined ? undefined : devices.get(active.device)
  if (active?.judgedOn === undefined || serving === undefined) return undefined
  return active.judgedOn === judgedOn(serving) ? undefined : active
}
