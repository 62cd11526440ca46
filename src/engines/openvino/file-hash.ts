import { createHash, type Hash } from 'node:crypto'
import { open } from 'node:fs/promises'

const chunkBytes = 2 ** 18

/**
 * Feeds a file to `hash` through a buffer of fixed size: what is hashed beside a served model must not add to the memory of its process.
 * @param sought its position does not matter. @returns bytes of the file, and whether `sought` is among them
 */
export async function hashFileInto(
  hash: Hash,
  path: string,
  sought?: Buffer,
): Promise<{ readonly bytes: number; readonly found: boolean }> {
  const overlap = sought === undefined ? 0 : sought.byteLength - 1
  const buffer = Buffer.allocUnsafe(overlap + chunkBytes)
  const file = await open(path)
  try {
    let bytes = 0
    let found = false
    // The end of the last chunk lies in front of the next one: `sought` may lie across.
    buffer.fill(0, 0, overlap)
    for (;;) {
      const { bytesRead } = await file.read(buffer, overlap, chunkBytes)
      if (bytesRead === 0) return { bytes, found }
      bytes += bytesRead
      hash.update(buffer.subarray(overlap, overlap + bytesRead))
      if (sought !== undefined) found ||= buffer.subarray(0, overlap + bytesRead).includes(sought)
      buffer.copyWithin(0, bytesRead, bytesRead + overlap)
    }
  } finally {
    await file.close()
  }
}

/** sha256 of a file, in hex. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await hashFileInto(hash, path)
  return hash.digest('hex')
}
