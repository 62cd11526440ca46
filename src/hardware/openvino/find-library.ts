import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Where a copy of OpenVINO's C library was found. */
export interface FoundLibrary {
  readonly path: string
  /** What led there: `OPENVINO_DIR`, the state directory (`quantd setup openvino`), the system, a Python package. */
  readonly by: 'OPENVINO_DIR' | 'state directory' | 'system' | 'python package'
}

export interface FindLibraryOptions {
  /** Folder of `quantd setup openvino`: a private Python environment. */
  readonly privateFolder?: string
  readonly env?: NodeJS.ProcessEnv
  /** Root of the file system; tests hand in another. */
  readonly root?: string
}

/** Of the library itself, which is of no use here without the C library beside it. */
const coreName = /^libopenvino\.so(\.[\d.]+)?$/

/** `libopenvino_c.so`, or with a version behind it: the wheel has `libopenvino_c.so.2641` only. */
const namePattern = /^libopenvino_c\.so(\.[\d.]+)?$/

/**
 * OpenVINO's C library on this host: named by `OPENVINO_DIR`, set up by us, of the system, or within a Python package, in this order; undefined where there is
 * none, which is normal.
 */
export function findOpenvino(options: FindLibraryOptions = {}): FoundLibrary | undefined {
  for (const [by, folders] of places(options)) {
    for (const folder of folders) {
      const name = entries(folder)
        .filter(entry => namePattern.test(entry))
        .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))[0]
      if (name !== undefined) return { path: join(folder, name), by }
    }
  }
  return undefined
}

/** Folder with OpenVINO and without its C library: Python wheels have it since 2024.3, archives always. */
export function findPackageWithoutC(options: FindLibraryOptions = {}): string | undefined {
  return places(options)
    .flatMap(([, folders]) => folders)
    .find(folder => entries(folder).some(entry => coreName.test(entry)))
}

/** Folders to look into, the first that has it wins. */
function places({
  privateFolder,
  env = process.env,
  root = '/',
}: FindLibraryOptions): readonly (readonly [FoundLibrary['by'], readonly string[]])[] {
  return [
    ['OPENVINO_DIR', env.OPENVINO_DIR === undefined ? [] : insideOf(env.OPENVINO_DIR)],
    ['state directory', privateFolder === undefined ? [] : sitePackages(privateFolder)],
    ['system', systemFolders(root)],
    ['python package', pythonFolders(env, root)],
  ]
}

/** An archive of OpenVINO has its libraries under runtime/lib, a Python package under libs, a private environment deeper. */
const insideOf = (folder: string): readonly string[] => [
  folder,
  join(folder, 'libs'),
  join(folder, 'lib'),
  ...runtimeFolders(folder),
  ...sitePackages(folder),
]

const runtimeFolders = (folder: string): readonly string[] => {
  const lib = join(folder, 'runtime', 'lib')
  return [...entries(lib).map(entry => join(lib, entry)), lib]
}

/** Folders of the package in a Python environment at `folder`. */
const sitePackages = (folder: string): readonly string[] =>
  ['lib', 'lib64'].flatMap(lib =>
    entries(join(folder, lib))
      .filter(entry => entry.startsWith('python3'))
      .flatMap(python => ['site-packages', 'dist-packages'].map(site => join(folder, lib, python, site, 'openvino', 'libs'))),
  )

function systemFolders(root: string): readonly string[] {
  const opt = join(root, 'opt', 'intel')
  const installed = entries(opt)
    .filter(entry => entry.startsWith('openvino'))
    .sort()
    .reverse()
  return [
    ...['usr/lib', 'usr/lib64', 'usr/local/lib', 'usr/lib/x86_64-linux-gnu', 'usr/lib/aarch64-linux-gnu'].map(folder => join(root, folder)),
    ...installed.flatMap(entry => runtimeFolders(join(opt, entry))),
  ]
}

function pythonFolders({ VIRTUAL_ENV, HOME }: NodeJS.ProcessEnv, root: string): readonly string[] {
  const environments = [VIRTUAL_ENV, join(HOME ?? homedir(), '.local'), join(root, 'usr', 'local'), join(root, 'usr')]
  return environments.filter(folder => folder !== undefined).flatMap(sitePackages)
}

function entries(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}
