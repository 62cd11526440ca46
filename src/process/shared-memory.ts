import { closeSync, constants, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { errorMessage, QuantdError } from '../errors.js'
import { logger } from '../log.js'

const log = logger('process')

/** A part of the memory, bytes. */
export interface Region {
  readonly at: number
  readonly size: number
}

/** What the regions of one memory take at most; what finds no room goes through the pipe. */
const limitBytes = 64 * 2 ** 20
/** What stays resident while no region is in use. */
const keptBytes = 16 * 2 ** 20
/** Memory of received bodies that is kept for the next ones. */
const spareBytes = 16 * 2 ** 20
const pageBytes = 4096

/** O_TMPFILE of Linux (fcntl.h), which Node does not name: a file without a name, gone with its last descriptor. */
const unnamed = 0o20000000 | constants.O_DIRECTORY

/**
 * Memory that a process shares with one child: a file on tmpfs that has no name, written and read in place. Of a body of a megabyte a pipe takes 200 KiB at a time and
 * wakes both sides for each; here it is two copies and one wake-up. The side that asks owns all regions: one carries the request there and its answer back, so
 * that nobody has to tell when a region is free.
 */
export class SharedMemory {
  readonly fd: number
  readonly #limit: number
  /** In use, by position. */
  readonly #regions: Region[] = []
  #extent = 0
  #spare: ArrayBuffer[] = []

  constructor(fd: number, limit: number = limitBytes) {
    this.fd = fd
    this.#limit = limit
  }

  /** Undefined where the host has no tmpfs of the usual place. */
  static create(): SharedMemory | undefined {
    if (process.platform !== 'linux') return undefined
    try {
      return new SharedMemory(openSync('/dev/shm', constants.O_RDWR | unnamed, 0o600))
    } catch (error) {
      log.debug({ error: errorMessage(error) }, 'no shared memory: all goes through pipes')
      return undefined
    }
  }

  /** Bytes of the file that may be resident. */
  get extent(): number {
    return this.#extent
  }

  /** A region of at least `size` bytes; undefined when there is no room. */
  take(size: number): Region | undefined {
    const rounded = Math.ceil(size / pageBytes) * pageBytes
    let at = 0
    let index = 0
    for (const used of this.#regions) {
      if (used.at - at >= rounded) break
      at = used.at + used.size
      index += 1
    }
    if (at + rounded > this.#limit) return undefined
    const region = { at, size: rounded }
    this.#regions.splice(index, 0, region)
    this.#extent = Math.max(this.#extent, at + rounded)
    return region
  }

  /** The region may be taken again: nobody reads or writes it any more. */
  free(region: Region): void {
    this.#regions.splice(this.#regions.indexOf(region), 1)
    if (this.#regions.length > 0 || this.#extent <= keptBytes) return
    ftruncateSync(this.fd, keptBytes)
    this.#extent = keptBytes
  }

  /** False when the memory of the host does not take it. */
  write({ at, size }: Region, body: Uint8Array): boolean {
    if (body.byteLength > size) return false
    try {
      return writeSync(this.fd, body, 0, body.byteLength, at) === body.byteLength
    } catch (error) {
      log.debug({ error: errorMessage(error), bytes: body.byteLength }, 'shared memory not written')
      return false
    }
  }

  /** A copy of `size` bytes from `at` on. @throws ERR_FRAME_SIZE when they are not there */
  read(at: number, size: number): Uint8Array {
    const body = new Uint8Array(this.#memoryOf(size), 0, size)
    const found = at + size > this.#limit ? 0 : readSync(this.fd, body, 0, size, at)
    if (found === size) return body
    throw new QuantdError('ERR_FRAME_SIZE', `shared memory has ${found} bytes at ${at}, ${size} are announced`, {
      details: { at, size, found },
    })
  }

  /** Takes what `read` returned, which nobody looks at any more, for the next bodies. */
  recycle({ buffer }: Uint8Array): void {
    const kept = this.#spare.reduce((sum, { byteLength }) => sum + byteLength, 0)
    if (buffer instanceof ArrayBuffer && kept + buffer.byteLength <= spareBytes) this.#spare.push(buffer)
  }

  close(): void {
    closeSync(this.fd)
    this.#spare = []
  }

  /** Spare memory of about that size, else new. */
  #memoryOf(size: number): ArrayBuffer {
    const index = this.#spare.findIndex(({ byteLength }) => byteLength >= size && byteLength <= 2 * size)
    const [found] = index === -1 ? [] : this.#spare.splice(index, 1)
    return found ?? (Buffer.allocUnsafeSlow(Math.ceil(size / pageBytes) * pageBytes).buffer as ArrayBuffer)
  }
}
