import { createHash } from 'node:crypto'

/** Blobs start at multiples of this: safe to read in place on every processor (quantization.md 9.1). */
const alignment = 64

/** Gathers the .bin of an IR file; equal blobs are stored once. */
export class WeightsWriter {
  readonly #blobs: Uint8Array[] = []
  readonly #offsets = new Map<string, number>()
  #size = 0

  /** Offset of `bytes` in the file. */
  add(bytes: Uint8Array): number {
    const key = `${bytes.byteLength}:${createHash('sha256').update(bytes).digest('base64')}`
    const known = this.#offsets.get(key)
    if (known !== undefined) return known
    const offset = Math.ceil(this.#size / alignment) * alignment
    if (offset > this.#size) this.#blobs.push(new Uint8Array(offset - this.#size))
    this.#blobs.push(bytes)
    this.#size = offset + bytes.byteLength
    this.#offsets.set(key, offset)
    return offset
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#blobs)
  }
}
