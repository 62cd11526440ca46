import { createWriteStream } from 'node:fs'
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import yauzl, { type Entry, type ZipFile } from 'yauzl'
import { errorMessage, QuantdError } from '../errors.js'
import { ArrayFile } from './array-file.js'

/** The arrays of a `.npz` or the one of a `.npy`, open for reading by row. */
export interface ArrayArchive {
  /** By name without `.npy`, in the order of the file; the array of a `.npy` is called ''. */
  readonly arrays: ReadonlyMap<string, ArrayFile>
  close(): Promise<void>
}

/**
 * Opens `path` by its first bytes: ZIP is `.npz`, \x93NUMPY is `.npy`. Stored entries (np.savez) are read in place; deflated ones (np.savez_compressed)
 * are inflated once into a file in `scratch` that has no name any more, so that nothing is left behind.
 * @throws ERR_SAMPLES_FORMAT, ERR_SAMPLES_READ
 */
export async function openArrays(path: string, { scratch = tmpdir() }: { readonly scratch?: string } = {}): Promise<ArrayArchive> {
  const files: FileHandle[] = []
  const close = async () => {
    for (const file of files.splice(0)) await file.close()
  }
  try {
    const file = await open(path)
    files.push(file)
    const magic = new Uint8Array(4)
    const { bytesRead } = await file.read(magic, 0, 4, 0)
    const isZip = bytesRead === 4 && magic[0] === 0x50 && magic[1] === 0x4b
    const arrays = isZip ? await openZip({ path, file, files, scratch }) : await openSingle(path, file)
    return { arrays, close }
  } catch (error) {
    await close()
    if (error instanceof QuantdError) throw error
    throw new QuantdError('ERR_SAMPLES_READ', `'${path}': ${errorMessage(error)}`, { cause: error })
  }
}

async function openSingle(path: string, file: FileHandle): Promise<Map<string, ArrayFile>> {
  const { size } = await file.stat()
  return new Map([['', await ArrayFile.open({ file, offset: 0, bytes: size, where: `'${path}'` })]])
}

interface ZipOptions {
  readonly path: string
  readonly file: FileHandle
  /** Every handle opened on the way; the caller closes them. */
  readonly files: FileHandle[]
  readonly scratch: string
}

async function openZip({ path, file, files, scratch }: ZipOptions): Promise<Map<string, ArrayFile>> {
  // Names are never used as paths, and an input may well be called '/fc/input': they are taken as bytes, not checked as file names.
  const zip = await yauzl
    .fromFdPromise(file.fd, { autoClose: false, lazyEntries: true, decodeStrings: false, strictFileNames: false })
    .catch(error => refuse(path, errorMessage(error)))
  const arrays = new Map<string, ArrayFile>()
  for await (const entry of zip.eachEntry()) {
    const fileName = entry.fileNameRaw.toString('utf8')
    if (!fileName.endsWith('.npy')) continue
    const name = fileName.slice(0, -'.npy'.length)
    const where = `'${path}' array '${name}'`
    if (arrays.has(name)) refuse(path, `two arrays are called '${name}'`)
    if (entry.isEncrypted()) refuse(path, `array '${name}' is encrypted`)
    const bytes = entry.uncompressedSize
    if (entry.compressionMethod === 0) {
      const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true })
      arrays.set(name, await ArrayFile.open({ file, offset: fileDataStart, bytes, where }))
    } else {
      const inflated = await inflate(zip, entry, scratch)
      files.push(inflated)
      arrays.set(name, await ArrayFile.open({ file: inflated, offset: 0, bytes, where }))
    }
  }
  if (arrays.size === 0) refuse(path, 'no .npy array in it')
  return arrays
}

/** The library ends the stream with an error when more bytes come out than the entry declares. */
async function inflate(zip: ZipFile, entry: Entry, scratch: string): Promise<FileHandle> {
  const folder = await mkdtemp(join(scratch, 'quantd-npz-'))
  try {
    const inflated = join(folder, 'array.npy')
    await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(inflated, { mode: 0o600 }))
    return await open(inflated)
  } finally {
    await rm(folder, { recursive: true })
  }
}

function refuse(path: string, message: string): never {
  throw new QuantdError('ERR_SAMPLES_FORMAT', `'${path}': ${message}`, { details: { path } })
}
