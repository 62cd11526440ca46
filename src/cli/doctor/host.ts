import { existsSync } from 'node:fs'
import { errorMessage } from '../../errors.js'
import { type Finding, fail, pass, skip, warn } from './finding.js'

/** What `package.json` promises to run on. */
const oldestNode = [20, 19] as const

/** Node, its version as `process.versions.node` has it. */
export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const enough = major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])
  return enough
    ? pass('node', version)
    : fail('node', `${version}, expected at least ${oldestNode.join('.')}`, 'install Node 20.19 or newer')
}

/** A clock before this release was made is wrong: certificates fail, cron jobs run at odd times. Deadlines do not depend on it. */
export function checkClock(wallMs: number, synchronized: boolean | undefined): Finding {
  const text = new Date(wallMs).toISOString()
  if (wallMs < Date.UTC(2026, 0, 1)) return fail('clock', text, 'start a time service (systemd-timesyncd, chrony) or set the clock')
  if (synchronized === false) return warn('clock', `${text}, not synchronized`, 'start a time service: `timedatectl set-ntp true`')
  return pass('clock', synchronized === undefined ? text : `${text}, synchronized`)
}

/** What systemd-timesyncd left behind; undefined where it does not run. */
export function clockSynchronized(): boolean | undefined {
  if (!existsSync('/run/systemd/timesync')) return undefined
  return existsSync('/run/systemd/timesync/synchronized')
}

export function checkDaemon(socket: string | undefined): Finding {
  return socket === undefined ? skip('daemon', 'none answers on its control socket') : pass('daemon', `answers on ${socket}`)
}

/** There is a control socket, or a closed folder around it, that we may not use. */
export function daemonOutOfReach(error: unknown): Finding {
  return warn('daemon', errorMessage(error), 'run doctor as the user of the service: `sudo -u quantd quantd doctor`')
}
