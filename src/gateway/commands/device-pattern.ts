import type { Device } from '../../hardware/device.js'
import { matchesDevice } from '../../hardware/device-pattern.js'
import { Refusal } from '../wire-errors.js'

/** Devices that serve models and match one of the patterns (`*` stands for any characters). @throws Refusal INVALID_ARGUMENT when none does */
export function requireDevices(patterns: readonly string[], devices: readonly Device[]): readonly Device[] {
  const serving = devices.filter(({ target, state }) => target !== undefined && (state === 'ready' || state === 'busy'))
  const found = serving.filter(({ id }) => patterns.some(pattern => matchesDevice(pattern, id)))
  if (found.length > 0) return found
  throw new Refusal('INVALID_ARGUMENT', 'ERR_COMMAND_DEVICE', `no serving device matches ${patterns.join(', ')}`, {
    details: { patterns, devices: serving.map(({ id }) => id) },
  })
}
