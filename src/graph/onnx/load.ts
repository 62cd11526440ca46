import { closeSync, fstatSync, openSync, readFileSync, readSync, realpathSync } from 'node:fs'
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path'
import { errorMessage, QuantdError } from '../../errors.js'
import type { Model } from '../graph.js'
import { type ReadOptions, readModel } from './read.js'
import type { ExternalData } from './tensor-proto.js'

/**
 * The model in the file at `path`, with its external data from beside it. Locations that leave the folder (absolute, `..`, a link) are refused.
 * @throws ERR_ONNX_FILE, ERR_ONNX_EXTERNAL, and what `readModel` throws
 */
export function loadModel(path: string, options: Omit<ReadOptions, 'externalData'> = {}): Model {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (cause) {
    throw new QuantdError('ERR_ONNX_FILE', `'${path}': ${errorMessage(cause)}`, { details: { path }, cause })
  }
  return readModel(bytes, { ...options, externalData: externalDataBeside(path) })
}

/** Reads ranges of files in the folder of the model at `path`. */
export function externalDataBeside(path: string): ExternalData {
  return (location, offset, length) => {
    const details = { path, location, offset, length }
    const fail = (what: string, cause?: unknown) =>
      new QuantdError('ERR_ONNX_EXTERNAL', `external data '${location}': ${what}`, { details, ...(cause === undefined ? {} : { cause }) })
    if (isAbsolute(location) || location.includes('\0')) throw fail('is not a path inside the folder of the model')
    let file: number
    try {
      const folder = realpathSync(dirname(path))
      const target = realpathSync(resolve(folder, location))
      const inside = relative(folder, target)
      if (inside === '' || inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside))
        throw fail('leaves the folder of the model')
      file = openSync(target, 'r')
    } catch (cause) {
      throw cause instanceof QuantdError ? cause : fail(errorMessage(cause), cause)
    }
    try {
      const stat = fstatSync(file)
      if (!stat.isFile()) throw fail('is not a file')
      const wanted = length ?? stat.size - offset
      if (wanted < 0 || offset + wanted > stat.size)
        throw fail(`is ${stat.size} bytes long, bytes ${offset} to ${offset + wanted} are wanted`)
      const bytes = new Uint8Array(wanted)
      for (let at = 0; at < wanted; ) {
        const read = readSync(file, bytes, at, wanted - at, offset + at)
        if (read === 0) throw fail('became shorter while it was read')
        at += read
      }
      return bytes
    } finally {
      closeSync(file)
    }
  }
}
