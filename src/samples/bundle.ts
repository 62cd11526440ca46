import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, mkdtemp, readdir, readFile, realpath, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, extname, join } from 'node:path'
import { errorMessage, QuantdError } from '../errors.js'
import { unpackBundle } from './bundle-tar.js'
import { type Manifest, ModelName } from './manifest.js'
import { parseManifest } from './parse-manifest.js'

export interface BundleFile {
  /** Relative, with '/'. */
  readonly name: string
  readonly path: string
  readonly sizeBytes: number
  readonly sha256: string
}

export interface BundleLimits {
  readonly files: number
  readonly bytes: number
}

export const defaultBundleLimits: BundleLimits = { files: 1000, bytes: 4 * 2 ** 30 }

/** A model with what belongs to it, as files that can be read until `close`. */
export interface Bundle {
  readonly name: string
  readonly manifest: Manifest
  /** Folder of the files; of a bare model file, the folder that it lies in. */
  readonly folder: string
  /** Sorted by name. */
  readonly files: readonly BundleFile[]
  /** The model file: one of `files`. */
  readonly model: BundleFile
  /** Symbols of a CTC output by class, class 0 blank (''): from `alphabet`, or from `alphabet_file`. */
  readonly alphabet?: readonly string[]
  readonly calibration?: BundleFile
  /** sha256 over names and contents of all files: equal for a folder and a .tar of it. */
  readonly hash: string
  /** Removes what was unpacked. */
  close(): Promise<void>
}

export interface ReadBundleOptions {
  /** Where a .tar is unpacked; default: the folder for temporary files. */
  readonly scratch?: string
  readonly limits?: BundleLimits
  /** Instead of the name in model.json or of the file. */
  readonly name?: string
}

/** Ends of names that model files have: ONNX, OpenVINO IR with a .bin of the same name beside it. */
const modelSuffixes = ['.onnx', '.xml'] as const

/**
 * Reads a folder with a model file and `model.json` (which may be `{}` or missing), a .tar of such a folder, or a bare .onnx or .xml.
 * @throws ERR_BUNDLE_READ, ERR_BUNDLE_ENTRY, ERR_BUNDLE_MANIFEST, ERR_BUNDLE_MODEL
 */
export async function readBundle(
  path: string,
  { scratch = tmpdir(), limits = defaultBundleLimits, name }: ReadBundleOptions = {},
): Promise<Bundle> {
  const status = await stat(path).catch(error => unreadable(path, error))
  if (status.isDirectory()) return readFolder(await realpath(path), { limits, name, close: async () => {} })
  const suffix = extname(path)
  if (isModelName(path)) {
    const names = suffix.toLowerCase() === '.xml' ? [`${basename(path, suffix)}.bin`, basename(path)] : [basename(path)]
    const files = await Promise.all(names.map(file => describeFile(dirname(path), file)))
    return assemble({ folder: dirname(path), files, name, close: async () => {} })
  }
  const folder = await mkdtemp(join(scratch, 'quantd-bundle-'))
  const close = () => rm(folder, { recursive: true, force: true })
  try {
    await unpackBundle(path, { into: folder, limits })
    return await readFolder(await bundleRoot(folder), { limits, name, close })
  } catch (error) {
    await close()
    throw error
  }
}

/** A .tar of a folder has it as its only entry. */
async function bundleRoot(folder: string): Promise<string> {
  const [only, ...others] = await readdir(folder, { withFileTypes: true })
  return only?.isDirectory() && others.length === 0 ? join(folder, only.name) : folder
}

interface FolderOptions {
  readonly limits: BundleLimits
  readonly name: string | undefined
  close(): Promise<void>
}

async function readFolder(folder: string, { limits, name, close }: FolderOptions): Promise<Bundle> {
  const names = await readdir(folder, { recursive: true }).catch(error => unreadable(folder, error))
  const files: BundleFile[] = []
  let bytes = 0
  for (const entry of names.sort()) {
    const status = await lstat(join(folder, entry))
    if (status.isDirectory()) continue
    if (!status.isFile()) throw entryError(entry, 'a bundle holds plain files and folders, no links and no devices')
    bytes += status.size
    if (files.length >= limits.files) throw entryError(entry, `there are more than ${limits.files} files`)
    if (bytes > limits.bytes) throw entryError(entry, `the files are larger than ${limits.bytes} bytes`)
    files.push(await describeFile(folder, entry))
  }
  return assemble({ folder, files, name, close })
}

async function describeFile(folder: string, name: string): Promise<BundleFile> {
  const path = join(folder, name)
  const hash = createHash('sha256')
  let sizeBytes = 0
  try {
    for await (const chunk of createReadStream(path)) {
      hash.update(chunk as Buffer)
      sizeBytes += (chunk as Buffer).length
    }
  } catch (error) {
    unreadable(path, error)
  }
  return { name, path, sizeBytes, sha256: hash.digest('hex') }
}

interface Parts {
  readonly folder: string
  readonly files: readonly BundleFile[]
  readonly name: string | undefined
  close(): Promise<void>
}

async function assemble({ folder, files, name, close }: Parts): Promise<Bundle> {
  const find = (wanted: string) => files.find(file => file.name === wanted)
  const manifestFile = find('model.json')
  const manifest = parseManifest(manifestFile === undefined ? '{}' : await readFile(manifestFile.path, 'utf8'))
  const model = modelFile(files, manifest)
  const alphabet =
    manifest.alphabet ?? (manifest.alphabet_file === undefined ? undefined : await readAlphabet(manifest.alphabet_file, find))
  const calibration = find('calibration.npz')
  return Object.freeze({
    name: modelName(name ?? manifest.name ?? basename(model.name, extname(model.name))),
    manifest,
    folder,
    files,
    model,
    ...(alphabet === undefined ? {} : { alphabet }),
    ...(calibration === undefined ? {} : { calibration }),
    hash: hashOf(files),
    close,
  })
}

const isModelName = (name: string): boolean => modelSuffixes.some(suffix => name.toLowerCase().endsWith(suffix))

function modelFile(files: readonly BundleFile[], { file }: Manifest): BundleFile {
  const models = files.filter(({ name }) => isModelName(name))
  const found = models.map(({ name }) => name)
  if (file !== undefined) {
    const named = files.find(({ name }) => name === file)
    if (named !== undefined) return named
    throw new QuantdError('ERR_BUNDLE_MODEL', `model.json: file '${file}' is not in the bundle`, { details: { expected: file, found } })
  }
  const [only] = models
  if (only !== undefined && models.length === 1) return only
  const what =
    models.length === 0
      ? 'no .onnx or .xml file in the bundle'
      : `${models.length} .onnx or .xml files in the bundle and no 'file' in model.json`
  throw new QuantdError('ERR_BUNDLE_MODEL', what, { details: { found } })
}

/** One symbol a line; the blank of class 0 is put before them, a space behind (PaddleOCR's dictionaries). */
async function readAlphabet(name: string, find: (name: string) => BundleFile | undefined): Promise<readonly string[]> {
  const file = find(name)
  if (file === undefined) throw new QuantdError('ERR_BUNDLE_MANIFEST', `model.json: alphabet_file '${name}' is not in the bundle`)
  const text = await readFile(file.path, 'utf8')
  return Object.freeze(['', ...text.replace(/\r?\n$/, '').split(/\r?\n/), ' '])
}

function modelName(name: string): string {
  const { success, data } = ModelName.safeParse(name)
  if (success) return data
  throw new QuantdError('ERR_BUNDLE_MANIFEST', `'${name}' is no model name: give one in model.json, up to 64 of A-Z a-z 0-9 . _ -`, {
    details: { name },
  })
}

function hashOf(files: readonly BundleFile[]): string {
  const hash = createHash('sha256')
  for (const { name, sizeBytes, sha256 } of files) hash.update(JSON.stringify([name, sizeBytes, sha256]))
  return hash.digest('hex')
}

const entryError = (entry: string, why: string) => new QuantdError('ERR_BUNDLE_ENTRY', `'${entry}': ${why}`, { details: { entry } })

function unreadable(path: string, error: unknown): never {
  throw new QuantdError('ERR_BUNDLE_READ', `'${path}': ${errorMessage(error)}`, { cause: error, details: { path } })
}
