import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errorMessage, QuantdError } from '../../errors.js'
import { crashPoint } from './crash-point.js'
import { isDiskFull } from './disk.js'
import { copyDurably, writeDurably } from './durable-file.js'

/** Of a sha256 in hex; a file that is being written has it in front of its own name. */
const hashLength = 64

/**
 * Files by the sha256 of their content, in one folder. A file is there whole or not at all; the same content is stored once.
 * Nothing is deleted but by `collect`.
 */
export class Artifacts {
  readonly folder: string

  constructor(stateFolder: string) {
    this.folder = join(stateFolder, 'artifacts')
  }

  path(hash: string): string {
    return join(this.folder, hash)
  }

  /** Stores a copy of the file. @returns its hash. @throws ERR_STORE_FULL */
  async putFile(source: string): Promise<string> {
    return this.#put(await hashFile(source), path => copyDurably(source, path))
  }

  /** @throws ERR_STORE_FULL */
  async putBytes(bytes: Uint8Array | string): Promise<string> {
    return this.#put(hashBytes(bytes), path => writeDurably(path, bytes))
  }

  /** @throws ERR_STORE_ARTIFACT when the file is missing or its content is not that of its name */
  async verify(hash: string): Promise<string> {
    const path = this.path(hash)
    let found: string
    try {
      found = await hashFile(path)
    } catch (error) {
      throw new QuantdError('ERR_STORE_ARTIFACT', `artifact ${hash.slice(0, 12)}: cannot be read: ${errorMessage(error)}`, {
        details: { hash, path },
        cause: error,
      })
    }
    if (found === hash) return path
    throw new QuantdError('ERR_STORE_ARTIFACT', `artifact ${hash.slice(0, 12)}: content has hash ${found.slice(0, 12)}`, {
      details: { hash, found, path },
    })
  }

  /** Deletes every file that `referenced` does not name, also what is half written unless its name is to come. @returns how many */
  async collect(referenced: ReadonlySet<string>): Promise<number> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 })
    const stale = (await readdir(this.folder)).filter(name => !referenced.has(name.slice(0, hashLength)))
    await Promise.all(stale.map(name => rm(join(this.folder, name), { recursive: true, force: true })))
    return stale.length
  }

  async #put(hash: string, write: (path: string) => Promise<void>): Promise<string> {
    const path = this.path(hash)
    const present = await stat(path).then(
      () =>
        this.verify(hash).then(
          () => true,
          () => false,
        ),
      () => false,
    )
    if (present) return hash
    try {
      await write(path)
    } catch (error) {
      if (!isDiskFull(error)) throw error
      throw new QuantdError('ERR_STORE_FULL', `artifact ${hash.slice(0, 12)}: ${errorMessage(error)}`, { details: { path }, cause: error })
    }
    crashPoint('artifact-stored')
    return hash
  }
}

/** sha256 of bytes, in hex. */
export function hashBytes(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** sha256 of a file's content, streamed. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
