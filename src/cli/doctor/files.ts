import { access, constants, mkdtemp, open, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Config } from '../../config/schema.js'
import { errorMessage } from '../../errors.js'
import { type Finding, fail, median, pass, skip, warn } from './finding.js'

const mode = (bits: number): string => (bits & 0o777).toString(8).padStart(4, '0')

/** A secret or key must exist, be readable by us, and by nobody outside owner and group. */
async function checkSecret(name: string, path: string): Promise<Finding> {
  try {
    await access(path, constants.R_OK)
    const { mode: bits } = await stat(path)
    if ((bits & 0o007) !== 0) return fail(name, `${path} is open to everybody (${mode(bits)})`, `chmod o-rwx ${path}`)
    return pass(name, `${path} (${mode(bits)})`)
  } catch (error) {
    return fail(name, errorMessage(error), 'create the file, or let the service read it: `LoadCredential=` in a drop-in, or chgrp quantd')
  }
}

/** Everything that the configuration names and that must be read. */
export async function checkFiles({ broker }: Config): Promise<readonly Finding[]> {
  const secrets = Object.entries({ 'password file': broker.password_file, 'client key': broker.key_file })
  return Promise.all(secrets.flatMap(([name, path]) => (path === undefined ? [] : [checkSecret(name, path)])))
}

async function nearestFolder(path: string): Promise<string> {
  for (let folder = path; ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined) // missing or hidden: its parent is asked
    if (found !== undefined || folder === dirname(folder)) return folder
  }
}

/** State directory: there, ours to write, closed to others. */
export async function checkStateDir({ state_dir }: Config): Promise<Finding> {
  const check = 'state directory'
  // Missing, or hidden by a folder that is closed to us: what is said below holds for both.
  const found = await stat(state_dir).catch(() => undefined)
  if (found === undefined) {
    const parent = await nearestFolder(dirname(state_dir))
    const writable = await access(parent, constants.W_OK).then(
      () => true,
      () => false,
    )
    return writable
      ? pass(check, `${state_dir} will be created`)
      : fail(
          check,
          `${state_dir} is missing or hidden from user ${process.getuid?.()}, and ${parent} cannot be written`,
          'install the unit (StateDirectory=), run doctor as the user of the service, or choose another with --state',
        )
  }
  try {
    await access(state_dir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch {
    return fail(
      check,
      `${state_dir} (${mode(found.mode)}, owner ${found.uid}) cannot be written by user ${process.getuid?.()}`,
      'run doctor as the user of the service: `sudo -u quantd quantd doctor`',
    )
  }
  if ((found.mode & 0o077) !== 0)
    return warn(check, `${state_dir} is open to others (${mode(found.mode)}): captures lie there`, `chmod 700 ${state_dir}`)
  return pass(check, `${state_dir} (${mode(found.mode)})`)
}

/** Room on the disk of the state directory, against what is kept in reserve. */
export async function checkDisk({ state_dir, capture }: Config): Promise<Finding> {
  const { bavail, bsize } = await statfs(await nearestFolder(state_dir))
  const freeMib = Math.floor((bavail * bsize) / 2 ** 20)
  const text = `${freeMib} MiB free, ${capture.reserve_mb} kept in reserve`
  if (freeMib <= capture.reserve_mb)
    return fail('disk', text, 'free space, or lower capture.reserve_mb: capture and requantize are refused until then')
  return freeMib <= 4 * capture.reserve_mb
    ? warn('disk', text, 'capture stops soon: free space, or lower the budgets (max_mb)')
    : pass('disk', text)
}

/** What one durable write costs: a QoS 1 request with journal waits for at least one. */
export async function checkFsync({ state_dir }: Config, rounds = 32): Promise<Finding> {
  const check = 'durable write'
  let folder: string
  try {
    folder = await mkdtemp(join(await nearestFolder(state_dir), '.quantd-doctor-'))
  } catch (error) {
    return skip(check, errorMessage(error))
  }
  try {
    const file = await open(join(folder, 'file'), 'w')
    const page = Buffer.alloc(4096, 1)
    const times: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      const start = performance.now()
      await file.write(page)
      await file.datasync()
      times.push(performance.now() - start)
    }
    await file.close()
    const ms = median(times)
    const text = `${ms.toFixed(2)} ms for 4 KiB (median of ${rounds})`
    if (ms <= 20) return pass(check, text)
    return warn(check, text, 'slow storage: put state_dir on a better disk, or set durability "broker" or "none" in model.json')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
