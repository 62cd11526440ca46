import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errorMessage, QuantdError } from '../../errors.js'
import { type Bundle, readBundle } from '../../samples/bundle.js'
import { hashFile } from '../store/artifacts.js'
import { isDiskFull } from '../store/disk.js'
import { copyDurably, syncPath } from '../store/durable-file.js'

/** Suffix of a bundle that is still being copied. */
const half = '.tmp'

/** Bundles in the state directory: a folder per content hash, there whole or not at all. */
export class BundleStore {
  readonly #folder: string

  constructor(stateFolder: string) {
    this.#folder = join(stateFolder, 'bundles')
  }

  path(hash: string): string {
    return join(this.#folder, hash)
  }

  /** Reads a bundle where it lies; what is unpacked for that lies in the state directory, not in the memory of /tmp. @throws ERR_BUNDLE_* */
  async read(path: string, name: string | undefined): Promise<Bundle> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    return readBundle(path, { scratch: this.#folder, ...(name === undefined ? {} : { name }) })
  }

  /** Copies a bundle into the store, or heals the copy that is there. @throws ERR_STORE_FULL */
  async keep({ hash, files }: Bundle): Promise<void> {
    const target = this.path(hash)
    const found = await hashesBelow(target)
    if (files.every(({ name, sha256 }) => found.get(name) === sha256)) return
    const copy = `${target}.${randomUUID()}${half}`
    try {
      for (const { name, path } of files) await copyDurably(path, join(copy, name))
      await rm(target, { recursive: true, force: true })
      await rename(copy, target)
      await syncPath(this.#folder)
    } catch (error) {
      await rm(copy, { recursive: true, force: true })
      if (!isDiskFull(error)) throw error
      throw new QuantdError('ERR_STORE_FULL', `bundle ${hash.slice(0, 12)}: ${errorMessage(error)}`, { details: { hash }, cause: error })
    }
  }

  /** Deletes bundles that `referenced` does not name; 'all' also takes what a crash left half copied or unpacked, so only while nothing is loaded. */
  async collect(referenced: ReadonlySet<string>, what: 'all' | 'unreferenced'): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const isWhole = (name: string) => /^[0-9a-f]{64}$/.test(name)
    const stale = (await readdir(this.#folder)).filter(name => (isWhole(name) ? !referenced.has(name) : what === 'all'))
    for (const name of stale) await rm(join(this.#folder, name), { recursive: true, force: true })
  }
}

/** Hash of every file below `folder` by its relative name; empty when there is no such folder. */
async function hashesBelow(folder: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  return new Map(await Promise.all(files.map(async path => [path.slice(folder.length + 1), await hashFile(path)] as const)))
}
