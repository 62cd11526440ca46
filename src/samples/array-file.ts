import type { FileHandle } from 'node:fs/promises'
import { errorMessage, QuantdError } from '../errors.js'
import { dtypes, type TensorData } from '../graph/tensor/dtype.js'
import { elementCount } from '../graph/tensor/tensor.js'
import { type NpyHeader, npyHeaderLimit, parseNpyHeader } from './npy.js'

/** A stretch of an open file that holds one `.npy` array. */
export interface ArrayLocation {
  readonly file: FileHandle
  readonly offset: number
  readonly bytes: number
  /** For messages: file and array. */
  readonly where: string
}

/** One array on disk, read by rows of its first axis and never whole. The file stays with whoever opened it. */
export class ArrayFile {
  readonly header: NpyHeader
  readonly where: string
  /** Bytes of one row; for a rank-0 array, of its only value. */
  readonly rowBytes: number
  readonly #location: ArrayLocation

  private constructor(location: ArrayLocation, header: NpyHeader) {
    this.#location = location
    this.header = header
    this.where = location.where
    this.rowBytes = elementCount(header.shape.slice(1)) * header.element.bytes
  }

  /** @throws ERR_SAMPLES_FORMAT when the header is unknown or the values do not fill the stretch exactly */
  static async open(location: ArrayLocation): Promise<ArrayFile> {
    const start = new Uint8Array(Math.min(location.bytes, npyHeaderLimit))
    await readFully(location, 0, start)
    const header = parseNpyHeader(start, location.where)
    const expected = header.dataOffset + elementCount(header.shape) * header.element.bytes
    if (expected !== location.bytes) {
      throw new QuantdError(
        'ERR_SAMPLES_FORMAT',
        `${location.where}: shape [${header.shape.join()}] needs ${expected} bytes, the file has ${location.bytes}`,
        { details: { expected, found: location.bytes } },
      )
    }
    return new ArrayFile(location, header)
  }

  get rows(): number {
    return this.header.shape[0] ?? 1
  }

  /** Bytes of `count` rows from `first`, in memory of their own. @throws ERR_SAMPLES_READ */
  async readRows(first: number, count: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(count * this.rowBytes)
    await readFully(this.#location, this.header.dataOffset + first * this.rowBytes, bytes)
    return bytes
  }

  /** All bytes in order, about a MiB at a time: for hashing. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const step = Math.max(1, Math.floor(1_048_576 / Math.max(1, this.rowBytes)))
    for (let row = 0; row < this.rows; row += step) yield await this.readRows(row, Math.min(step, this.rows - row))
  }
}

/** Views `bytes` (aligned, of their own) as numbers. */
export function numbersOf(bytes: Uint8Array<ArrayBuffer>, dtype: keyof typeof dtypes & string): TensorData {
  const { array } = dtypes[dtype]
  if (array === undefined) throw new QuantdError('ERR_INTERNAL', `no numbers of type ${dtype}`)
  return new array(bytes.buffer, bytes.byteOffset, bytes.byteLength / array.BYTES_PER_ELEMENT)
}

async function readFully({ file, offset, where }: ArrayLocation, from: number, into: Uint8Array): Promise<void> {
  let done = 0
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, into.length - done, offset + from + done).catch(error => {
      throw new QuantdError('ERR_SAMPLES_READ', `${where}: ${errorMessage(error)}`, { cause: error })
    })
    if (bytesRead === 0) throw new QuantdError('ERR_SAMPLES_READ', `${where}: the file ends at byte ${offset + from + done}`)
    done += bytesRead
  }
}
