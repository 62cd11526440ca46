import { createHash } from 'node:crypto'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { isPackedIr, unpackIr } from '../../graph/ir/packed-ir.js'
import { hashFileInto } from './file-hash.js'

/** What tells one model from another, wherever it lies. */
export interface Content {
  readonly sha256: string
  readonly bytes: number
}

/** A model as files that OpenVINO reads. */
export interface Artifact {
  readonly path: string
  /** Undefined where other files belong to it that are not known here: an ONNX model with external data. */
  content(): Promise<Content | undefined>
  /** Takes away what was written for OpenVINO; what it has mapped stays until that is closed. */
  close(): Promise<void>
}

/** Key of the entry of a tensor that names its file: `TensorProto.external_data`, a string of eight bytes as field 1. */
const externalData = Buffer.from('\x0a\x08location', 'latin1')

/** @param artifact path of an .xml, .onnx or packed file, or the bytes of one of the latter two. @throws ERR_IR_READ; Error of the file system */
export async function openArtifact(artifact: string | Uint8Array): Promise<Artifact> {
  if (typeof artifact !== 'string') return unpack(artifact)
  if (await isPackedFile(artifact)) return unpack(await readFile(artifact))
  return { path: artifact, content: () => contentOfFile(artifact), close: async () => {} }
}

async function unpack(bytes: Uint8Array): Promise<Artifact> {
  const folder = await mkdtemp(join(tmpdir(), 'quantd-openvino-'))
  const close = () => rm(folder, { recursive: true, force: true })
  try {
    const isIr = isPackedIr(bytes)
    const path = join(folder, isIr ? 'model.xml' : 'model.onnx')
    if (isIr) {
      const { xml, bin } = unpackIr(bytes)
      await Promise.all([writeFile(path, xml), writeFile(join(folder, 'model.bin'), bin)])
    } else await writeFile(path, bytes)
    return { path, content: async () => contentOfBytes(bytes), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function isPackedFile(path: string): Promise<boolean> {
  const head = Buffer.alloc(8)
  const file = await open(path)
  try {
    await file.read(head, 0, head.byteLength, 0)
  } finally {
    await file.close()
  }
  return isPackedIr(head)
}

async function contentOfFile(path: string): Promise<Content | undefined> {
  const hash = createHash('sha256')
  const suffix = extname(path)
  const model = await hashFileInto(hash, path, externalData)
  if (suffix.toLowerCase() !== '.xml') return model.found ? undefined : { sha256: hash.digest('hex'), bytes: model.bytes }
  hash.update(`${model.bytes}`)
  const constants = await hashFileInto(hash, `${path.slice(0, -suffix.length)}.bin`)
  return { sha256: hash.digest('hex'), bytes: model.bytes + constants.bytes }
}

function contentOfBytes(bytes: Uint8Array): Content | undefined {
  if (!isPackedIr(bytes) && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(externalData)) return undefined
  return { sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.byteLength }
}
