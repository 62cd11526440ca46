import { access, constants, readdir } from 'node:fs/promises'
import type { Device } from '../../hardware/device.js'
import type { Note } from '../../hardware/hardware.js'
import { type Finding, pass, skip, warn } from './finding.js'

/** What was found, and whether the processor has a description that says how to quantize for it. */
export function checkDevices(devices: readonly Device[], notes: readonly Note[]): readonly Finding[] {
  const found = devices.map((device): Finding => {
    const { build } = device.facts
    const text = `${device.name}${build === undefined ? '' : `, ${build}`}: ${device.why}`
    if (device.target === undefined) return warn(device.id, text, 'add a file to devices/ that matches it')
    return /cannot be opened/.test(device.why)
      ? warn(device.id, text, 'install the udev rule and join the group, then plug it again')
      : pass(device.id, text)
  })
  return [...found, ...notes.map(({ probe, reason }) => skip(probe, reason))]
}

/** GPU nodes that exist and that we may not open. */
export async function checkGpuNodes(folder = '/dev/dri'): Promise<readonly Finding[]> {
  // No such folder: no GPU, nothing to check.
  const nodes = (await readdir(folder).catch(() => [])).filter(name => name.startsWith('render'))
  return Promise.all(
    nodes.map(async name => {
      const path = `${folder}/${name}`
      try {
        await access(path, constants.R_OK | constants.W_OK)
        return pass('gpu node', path)
      } catch {
        return warn('gpu node', `${path} cannot be opened`, 'join its group (render): systemd/drop-ins/devices.conf')
      }
    }),
  )
}
