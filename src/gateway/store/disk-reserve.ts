import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from 'node:fs'

/**
 * A file of zeros that holds disk space back: given up when the disk is full, so that deletes can still commit, and taken again later.
 * Synchronous: it belongs to the journal's writer thread.
 */
export class DiskReserve {
  readonly #path: string
  readonly #bytes: number

  constructor(path: string, bytes: number) {
    this.#path = path
    this.#bytes = bytes
  }

  /** Whether the whole reserve is there, writing what is missing. False: the disk has no room for it. */
  take(): boolean {
    if (this.#held() === this.#bytes) return true
    const chunk = Buffer.alloc(65_536)
    let fd: number | undefined
    try {
      fd = openSync(this.#path, 'w', 0o600)
      for (let written = 0; written < this.#bytes; ) written += writeSync(fd, chunk, 0, Math.min(chunk.length, this.#bytes - written))
      fsyncSync(fd)
      return true
    } catch {
      // Full, or read-only: either way there is no reserve, and half of one only takes what others need.
      this.give()
      return false
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }

  /** Frees the space. On a read-only disk there is nothing to free. */
  give(): void {
    try {
      rmSync(this.#path, { force: true })
    } catch {
      // Read-only file system: the caller's next commit says so itself.
    }
  }

  #held(): number {
    return statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0
  }
}
