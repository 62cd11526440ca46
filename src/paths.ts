import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { invariant } from './errors.js'

/** Folder of our package.json, wherever tsc put the compiled files below it. */
export const packageRoot: string = (() => {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) {
    invariant(dirname(folder) !== folder, 'no package.json above the running file')
    folder = dirname(folder)
  }
  return folder
})()
