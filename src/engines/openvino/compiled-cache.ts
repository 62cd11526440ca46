import { mkdir, readdir, readFile, rename, rm, stat, statfs, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorMessage } from '../../errors.js'
import { logger } from '../../log.js'
import type { CompiledCacheOptions } from '../engine.js'
import { hashFile } from './file-hash.js'

const log = logger('engines/openvino')

/** In the folder of each model: names and hashes of the files beside it, written last. Its time is that of the last use. */
const sealName = 'seal.json'
/** Disk that is left to others: nothing is written where less would stay free. */
const spareBytes = 64 * 2 ** 20
/** A folder without a seal is being written, or was when the process ended: after this long it was. */
const abandonedMs = 3_600_000

type Seal = Readonly<Record<string, string>>

/**
 * What OpenVINO compiled, on disk: a folder with its own cache for each content, build, device and way to open. OpenVINO's key alone is not enough: that of
 * 2025.4 leaves out the weights, so that a model calibrated anew is answered by the one before; and a file damaged in its middle is taken for a good one by all.
 * Here the key is of the content, and a file counts only with the hash that it was written with. Nothing here ever fails an opening: what cannot be kept is not.
 */
export class CompiledCache {
  readonly #folder: string
  readonly #maxBytes: number

  constructor({ folder, maxMiB }: CompiledCacheOptions) {
    this.#folder = folder
    this.#maxBytes = maxMiB * 2 ** 20
  }

  /** A folder for OpenVINO to read from and write to, what is in it checked; undefined where nothing can be kept. @param modelBytes about what it may take */
  async find(key: string, modelBytes: number): Promise<string | undefined> {
    const folder = join(this.#folder, key)
    try {
      if (await isSealed(folder)) {
        const now = new Date()
        await utimes(join(folder, sealName), now, now)
        return folder
      }
      await rm(folder, { recursive: true, force: true })
      await makeFolder(this.#folder)
      if (2 * modelBytes > this.#maxBytes || (await freeBytes(this.#folder)) < 2 * modelBytes + spareBytes) return undefined
      await mkdir(folder, { mode: 0o700 })
      return folder
    } catch (error) {
      log.warn({ folder, error: errorMessage(error) }, 'compiled models are not kept')
      return undefined
    }
  }

  /** What was written to the folder of `find` counts from now on; the least recently used beyond the limit make room. */
  async keep(key: string): Promise<void> {
    const folder = join(this.#folder, key)
    try {
      const names = await readdir(folder)
      if (names.includes(sealName)) return
      // A file that a full disk cut short must not be sealed as what was meant.
      if (names.length === 0 || (await freeBytes(folder)) < spareBytes / 2) return await this.drop(key)
      const seal: Seal = Object.fromEntries(await Promise.all(names.map(async name => [name, await hashFile(join(folder, name))] as const)))
      const arriving = join(folder, `${sealName}.new`)
      await writeFile(arriving, JSON.stringify(seal), { flush: true, mode: 0o600 })
      await rename(arriving, join(folder, sealName))
      await this.#makeRoom()
    } catch (error) {
      log.warn({ folder, error: errorMessage(error) }, 'a compiled model is not kept')
      await this.drop(key)
    }
  }

  /** As far as it can be removed: what stays is checked against its seal when it is found, and tried again when room is made. */
  async drop(key: string): Promise<void> {
    await rm(join(this.#folder, key), { recursive: true, force: true }).catch(() => undefined)
  }

  async #makeRoom(): Promise<void> {
    const entries = await Promise.all(
      (await readdir(this.#folder)).map(async key => ({ key, ...(await sizeAndUse(join(this.#folder, key))) })),
    )
    entries.sort((a, b) => b.usedMs - a.usedMs)
    let total = 0
    for (const { key, bytes, usedMs, sealed } of entries) {
      total += bytes
      if (sealed ? total > this.#maxBytes : Date.now() - usedMs > abandonedMs) await this.drop(key)
    }
  }
}

/** The one above it is there: `recursive` would wait for ever where the system refuses it for good. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

async function isSealed(folder: string): Promise<boolean> {
  let seal: Seal
  try {
    seal = JSON.parse(await readFile(join(folder, sealName), 'utf8')) as Seal
  } catch {
    return false // not there, or cut short
  }
  const names = (await readdir(folder)).filter(name => name !== sealName)
  if (names.length !== Object.keys(seal).length) return false
  const right = await Promise.all(names.map(async name => (await hashFile(join(folder, name))) === seal[name]))
  return right.every(Boolean)
}

async function sizeAndUse(folder: string): Promise<{ readonly bytes: number; readonly usedMs: number; readonly sealed: boolean }> {
  const names = await readdir(folder)
  const stats = await Promise.all(names.map(name => stat(join(folder, name))))
  const seal = stats[names.indexOf(sealName)]
  const { mtimeMs } = seal ?? (await stat(folder))
  return { bytes: stats.reduce((sum, { size }) => sum + size, 0), usedMs: mtimeMs, sealed: seal !== undefined }
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}
