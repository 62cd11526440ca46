import { errorMessage, QuantdError } from '../errors.js'

/**
 * The frame between the daemon and its workers, over one duplex pipe (a socketpair, fd 3 of the child). Little-endian:
 *
 * | offset | size | name |
 * |---|---|---|
 * | 0 | 4 | total size of the frame after this field |
 * | 4 | 4 | id: the request that this frame belongs to; 0 = no answer wanted |
 * | 8 | 1 | kind: 0 request, 1 response, 2 error, 3 event |
 * | 9 | 1 | place of the body: 0 in this frame; 1 in shared memory, and the body here is a `Placement` |
 * | 10 | 2 | zero |
 * | 12 | 4 | size of `meta` |
 * | 16 | - | meta: JSON, padded with spaces to a multiple of 8, then body: raw bytes, never JSON |
 *
 * The padding puts the body at a multiple of 8, so that tensors in it are read as typed arrays where they lie.
 */
export const frameHeaderBytes = 16

/** What a frame may be by default: far above any request, far below what hurts. */
export const maxFrameBytes = 256 * 2 ** 20

export const frameKinds = ['request', 'response', 'error', 'event'] as const
export type FrameKind = (typeof frameKinds)[number]

export interface Frame {
  readonly id: number
  readonly kind: FrameKind
  /** Whether `body` is a placement instead of what is meant. */
  readonly isPlaced?: true
  readonly meta: unknown
  /** A view over what was received; valid as long as it is held. */
  readonly body: Uint8Array
}

/** Where in shared memory the body lies, and how much there may be overwritten by the answer: three times four bytes, little-endian. */
export interface Placement {
  readonly at: number
  readonly size: number
  readonly room: number
}

const placementBytes = 12

export function encodePlacement({ at, size, room }: Placement): Uint8Array {
  const bytes = Buffer.allocUnsafe(placementBytes)
  bytes.writeUInt32LE(at, 0)
  bytes.writeUInt32LE(size, 4)
  bytes.writeUInt32LE(room, 8)
  return bytes
}

/** @throws ERR_FRAME_SIZE */
export function decodePlacement(body: Uint8Array): Placement {
  if (body.byteLength !== placementBytes)
    throw new QuantdError('ERR_FRAME_SIZE', `a placement of ${body.byteLength} bytes, ${placementBytes} are expected`)
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  return { at: view.getUint32(0, true), size: view.getUint32(4, true), room: view.getUint32(8, true) }
}

const noBytes = new Uint8Array(0)

/** Header and meta as one piece; the body follows on the wire as it is, uncopied. @throws ERR_FRAME_SIZE above `limit` */
export function encodeFrameHead({ id, kind, isPlaced, meta, body }: Frame, limit: number = maxFrameBytes): Uint8Array {
  const json = JSON.stringify(meta)
  const size = Buffer.byteLength(json)
  const metaBytes = Math.ceil(size / 8) * 8
  const total = frameHeaderBytes + metaBytes + body.byteLength
  if (total > limit)
    throw new QuantdError('ERR_FRAME_SIZE', `a frame of ${total} bytes; the limit is ${limit}`, { details: { found: total, limit } })
  const head = Buffer.allocUnsafe(frameHeaderBytes + metaBytes)
  head.writeUInt32LE(total - 4, 0)
  head.writeUInt32LE(id, 4)
  head.writeUInt32LE(frameKinds.indexOf(kind) + (isPlaced === true ? 0x100 : 0), 8)
  head.writeUInt32LE(metaBytes, 12)
  head.write(json, frameHeaderBytes)
  head.fill(0x20, frameHeaderBytes + size)
  return head
}

/**
 * Cuts a byte stream into frames, wherever the stream was cut. Bytes of a frame are copied once, into memory of that frame's own.
 * After a throw the stream has lost its place: the decoder must not be used again.
 */
export class FrameDecoder {
  readonly #limit: number
  readonly #header = Buffer.alloc(frameHeaderBytes)
  #headerFilled = 0
  #frame: Buffer | undefined
  #filled = 0

  constructor(limit: number = maxFrameBytes) {
    this.#limit = limit
  }

  /** Frames that `chunk` completes, in order. The chunk's memory may be reused afterwards. @throws ERR_FRAME_SIZE, ERR_FRAME_KIND, ERR_FRAME_META */
  *push(chunk: Uint8Array): Generator<Frame, void, undefined> {
    let at = 0
    while (at < chunk.length) {
      if (this.#frame === undefined) {
        const count = Math.min(frameHeaderBytes - this.#headerFilled, chunk.length - at)
        this.#header.set(chunk.subarray(at, at + count), this.#headerFilled)
        this.#headerFilled += count
        at += count
        if (this.#headerFilled < frameHeaderBytes) return
        this.#frame = this.#startFrame()
        this.#filled = frameHeaderBytes
      } else {
        const count = Math.min(this.#frame.length - this.#filled, chunk.length - at)
        this.#frame.set(chunk.subarray(at, at + count), this.#filled)
        this.#filled += count
        at += count
      }
      if (this.#filled < this.#frame.length) continue
      const frame = this.#frame
      this.#frame = undefined
      this.#headerFilled = 0
      yield decodeFrame(frame)
    }
  }

  /** Memory for the frame that the header announces, once its numbers have been found possible. */
  #startFrame(): Buffer {
    const total = this.#header.readUInt32LE(0) + 4
    const metaBytes = this.#header.readUInt32LE(12)
    if (total > this.#limit || frameHeaderBytes + metaBytes > total) {
      throw new QuantdError(
        'ERR_FRAME_SIZE',
        `frame header ${this.#header.toString('hex')}: ${total} bytes, ${metaBytes} of meta; the limit is ${this.#limit}`,
        {
          details: { total, metaBytes, limit: this.#limit },
        },
      )
    }
    const frame = Buffer.allocUnsafeSlow(total)
    frame.set(this.#header)
    return frame
  }
}

function decodeFrame(frame: Buffer): Frame {
  const kind = frameKinds[frame.readUInt8(8)]
  if (kind === undefined) {
    throw new QuantdError('ERR_FRAME_KIND', `frame header ${frame.toString('hex', 0, frameHeaderBytes)}: kind ${frame[8]} is unknown`)
  }
  const bodyStart = frameHeaderBytes + frame.readUInt32LE(12)
  try {
    const meta: unknown = JSON.parse(frame.toString('utf8', frameHeaderBytes, bodyStart))
    const body = bodyStart === frame.length ? noBytes : new Uint8Array(frame.buffer, frame.byteOffset + bodyStart, frame.length - bodyStart)
    return { id: frame.readUInt32LE(4), kind, ...(frame[9] === 1 ? { isPlaced: true } : {}), meta, body }
  } catch (error) {
    throw new QuantdError('ERR_FRAME_META', `frame of ${frame.length} bytes: ${errorMessage(error)}`, { cause: error })
  }
}
