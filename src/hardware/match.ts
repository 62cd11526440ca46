import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorMessage, QuantdError } from '../errors.js'
import { packageRoot } from '../paths.js'
import type { Device } from './device.js'
import { DeviceSpec } from './device-spec.js'

/** The hardware targets of `devices/*.json`, sorted by name. @throws ERR_HARDWARE_SPEC naming file and key */
export async function loadDeviceSpecs(folder = join(packageRoot, 'devices')): Promise<readonly DeviceSpec[]> {
  const files = (await readdir(folder)).filter(file => file.endsWith('.json')).sort()
  return Promise.all(
    files.map(async file => {
      const path = join(folder, file)
      let json: unknown
      try {
        json = JSON.parse(await readFile(path, 'utf8'))
      } catch (error) {
        throw new QuantdError('ERR_HARDWARE_SPEC', `${path}: ${errorMessage(error)}`, { details: { path }, cause: error })
      }
      const parsed = DeviceSpec.safeParse(json)
      if (!parsed.success) {
        const issue = parsed.error.issues[0]!
        throw new QuantdError('ERR_HARDWARE_SPEC', `${path}: '${issue.path.join('.')}': ${issue.message}`, {
          details: { path, key: issue.path.join('.') },
        })
      }
      if (`${parsed.data.name}.json` !== file) {
        throw new QuantdError('ERR_HARDWARE_SPEC', `${path}: name is '${parsed.data.name}', the file is called '${file}'`, {
          details: { path },
        })
      }
      return Object.freeze(parsed.data)
    }),
  )
}

function matches(device: Device, { match }: DeviceSpec): boolean {
  const has = (feature: string): boolean => device.features.includes(feature)
  return (
    match.kind === device.kind &&
    (match.device === undefined || match.device === device.facts.device) &&
    (match.architecture === undefined || match.architecture === device.facts.architecture) &&
    match.features.every(has) &&
    (match.anyFeature.length === 0 || match.anyFeature.some(has)) &&
    !match.without.some(has) &&
    (match.usb.length === 0 || match.usb.includes(String(device.facts.usb)))
  )
}

/** How much a spec demands: what is present counts before what is absent. */
function demands({ match }: DeviceSpec): number {
  const given = [match.architecture, match.device].filter(value => value !== undefined).length
  const positive = match.features.length + (match.anyFeature.length > 0 ? 1 : 0) + match.usb.length + given
  return positive * 100 + match.without.length
}

/** The most specific spec that fits, ties by name; undefined = this device is reported, not guessed. */
export function matchSpec(device: Device, specs: readonly DeviceSpec[]): DeviceSpec | undefined {
  return specs.filter(spec => matches(device, spec)).sort((a, b) => demands(b) - demands(a) || a.name.localeCompare(b.name))[0]
}
