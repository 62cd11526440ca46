import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { extract, Parser, type ReadEntry } from 'tar'
import { errorMessage, QuantdError } from '../errors.js'
import type { BundleLimits } from './bundle.js'

const plainFiles = ['File', 'OldFile', 'ContiguousFile']

/**
 * Unpacks a .tar (or .tar.gz) into the empty folder `into`. All entries are looked at before the first is written: plain files and folders only, relative
 * names without '..', each once, within the limits.
 * @throws ERR_BUNDLE_ENTRY naming the entry, ERR_BUNDLE_READ for what is no tar
 */
export async function unpackBundle(
  file: string,
  { into, limits }: { readonly into: string; readonly limits: BundleLimits },
): Promise<void> {
  try {
    const names = await checkedNames(file, limits)
    if (names.size === 0) throw new Error('no file in it')
    const filter = (path: string) => names.has(cleanName(path))
    await extract({ file, cwd: into, strict: true, preserveOwner: false, noChmod: true, filter })
  } catch (error) {
    if (error instanceof QuantdError) throw error
    throw new QuantdError('ERR_BUNDLE_READ', `'${file}' is no .tar that can be read: ${errorMessage(error)}`, { cause: error })
  }
}

/** Names of all entries. Reading stops at the first that a bundle may not hold, also in the middle of a file that unpacks without end. */
async function checkedNames(file: string, limits: BundleLimits): Promise<Set<string>> {
  const names = new Set<string>()
  let bytes = 0
  const source = createReadStream(file)
  const onReadEntry = (entry: ReadEntry) => {
    bytes += entry.size
    try {
      checkEntry(entry, { names, bytes, limits })
    } catch (error) {
      source.destroy(error as Error)
    }
    entry.resume()
  }
  await pipeline(source, new Parser({ strict: true, onReadEntry }))
  return names
}

const cleanName = (path: string): string => path.replace(/^(\.\/)+/, '').replace(/\/+$/, '')

function checkEntry(
  { path, type, size }: ReadEntry,
  { names, bytes, limits }: { readonly names: Set<string>; readonly bytes: number; readonly limits: BundleLimits },
): void {
  const refuse = (why: string): never => {
    throw new QuantdError('ERR_BUNDLE_ENTRY', `entry '${path.slice(0, 200)}': ${why}`, {
      details: { entry: path.slice(0, 200), type, size },
    })
  }
  const name = cleanName(path)
  if (type !== 'Directory' && !plainFiles.includes(type)) refuse(`a bundle holds plain files and folders, not ${type}`)
  if (path.startsWith('/') || /^[a-zA-Z]:/.test(path)) refuse('its name is absolute')
  if (name.split('/').includes('..')) refuse("its name leads out of the bundle by '..'")
  if ([...name].some(char => char === '\\' || char < ' ')) refuse('its name has a backslash or a control character')
  if (bytes > limits.bytes) refuse(`the files are larger than ${limits.bytes} bytes`)
  if (names.size >= limits.files) refuse(`there are more than ${limits.files} files`)
  if (type === 'Directory') return void names.add(name)
  if (names.has(name)) refuse('it is in the archive twice')
  names.add(name)
}
