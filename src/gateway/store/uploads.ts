import { createHash, randomUUID } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { QuantdError } from '../../errors.js'
import { isDiskFull, requireSpace } from './disk.js'
import { syncPath } from './durable-file.js'

export interface Upload {
  /** Of the bytes as they came: the name under which the `load` command finds them. */
  readonly sha256: string
  readonly path: string
  readonly sizeBytes: number
}

export interface ReceiveOptions {
  readonly maxBytes: number
  /** Disk left free besides. */
  readonly reserveBytes: number
}

/** Bundles (.tar) that came through the control socket and wait for their `load`: files by content hash below the state directory, empty after a restart. */
export class Uploads {
  readonly #folder: string

  constructor(stateDir: string) {
    this.#folder = join(stateDir, 'uploads')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Writes the stream to disk and syncs it before the name appears. @throws ERR_STORE_FULL, ERR_STORE_UPLOAD when it is larger than `maxBytes` */
  async receive(stream: AsyncIterable<Uint8Array>, { maxBytes, reserveBytes }: ReceiveOptions): Promise<Upload> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const temporary = join(this.#folder, `${randomUUID()}.tmp`)
    const hash = createHash('sha256')
    let sizeBytes = 0
    try {
      const handle = await open(temporary, 'wx', 0o600)
      try {
        for await (const chunk of stream) {
          sizeBytes += chunk.length
          if (sizeBytes > maxBytes) {
            throw new QuantdError('ERR_STORE_UPLOAD', `bundle: more than the ${maxBytes} bytes that an upload may have`, {
              details: { maxBytes },
            })
          }
          requireSpace({ path: this.#folder, sizeBytes: chunk.length, reserveBytes, purpose: 'bundle' })
          hash.update(chunk)
          await handle.writeFile(chunk)
        }
        await handle.sync()
      } finally {
        await handle.close()
      }
      const sha256 = hash.digest('hex')
      const path = this.#path(sha256)
      await rename(temporary, path)
      await syncPath(this.#folder)
      return { sha256, path, sizeBytes }
    } catch (error) {
      await rm(temporary, { force: true })
      if (!isDiskFull(error)) throw error
      throw new QuantdError('ERR_STORE_FULL', 'bundle: the disk is full', { cause: error })
    }
  }

  /** The file of a hash that was uploaded; undefined when there is none. */
  path(sha256: string): string | undefined {
    if (!/^[0-9a-f]{64}$/.test(sha256)) return undefined
    const path = this.#path(sha256)
    return existsSync(path) ? path : undefined
  }

  async discard(sha256: string): Promise<void> {
    const path = this.path(sha256)
    if (path !== undefined) await rm(path, { force: true })
  }

  #path(sha256: string): string {
    return join(this.#folder, `${sha256}.tar`)
  }
}
