import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { errorMessage, QuantdError } from '../../errors.js'
import type { Model } from '../graph.js'
import { externalDataBeside } from '../onnx/load.js'
import { readModel } from '../onnx/read.js'
import { readIr } from './read.js'

export interface ModelFile {
  readonly model: Model
  /** Over the bytes of the file; of IR over those of the .xml and, behind them, the .bin. */
  readonly sha256: string
  readonly bytes: number
}

/**
 * A model from an .onnx file, or from an .xml of OpenVINO with the .bin of the same name beside it.
 * @throws ERR_IR_READ, and what `readModel` throws; what reading a file throws for an .onnx that is not there
 */
export function readModelFile(path: string): ModelFile {
  const suffix = extname(path)
  if (suffix.toLowerCase() !== '.xml') {
    const bytes = readFileSync(path)
    return { model: readModel(bytes, { externalData: externalDataBeside(path) }), ...identityOf(bytes) }
  }
  const [xml, bin] = [path, `${path.slice(0, -suffix.length)}.bin`].map(readPart) as [Buffer, Buffer]
  return { model: readIr({ xml: xml.toString('utf8'), bin }), ...identityOf(xml, bin) }
}

function readPart(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new QuantdError('ERR_IR_READ', `'${path}': ${errorMessage(cause)}`, { details: { path }, cause })
  }
}

function identityOf(...parts: readonly Uint8Array[]): Pick<ModelFile, 'sha256' | 'bytes'> {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return { sha256: hash.digest('hex'), bytes: parts.reduce((sum, { byteLength }) => sum + byteLength, 0) }
}
