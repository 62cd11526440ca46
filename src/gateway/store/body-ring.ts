/**
 * Memory that two threads share, given out and taken back in the same order: bodies pass from the event loop to the writer thread without an allocation each. At
 * 150 KB a request, collecting those cost a third of the daemon's time.
 */
export class BodyRing {
  readonly #buffer: SharedArrayBuffer
  /** Where the next body goes. */
  #head = 0
  /** Bytes that are out, gaps at the end included, oldest first. */
  readonly #out: number[] = []
  #used = 0

  constructor(bytes: number) {
    this.#buffer = new SharedArrayBuffer(bytes)
  }

  /** A copy of `bytes` in shared memory; undefined: no room now. Empty bodies take no room. */
  put(bytes: Uint8Array): Uint8Array | undefined {
    const size = bytes.byteLength
    const capacity = this.#buffer.byteLength
    // What does not fit before the end starts over at the beginning.
    const startsOver = this.#head + size > capacity
    const gap = startsOver ? capacity - this.#head : 0
    if (this.#used + gap + size > capacity) return undefined
    const start = startsOver ? 0 : this.#head
    const view = new Uint8Array(this.#buffer, start, size)
    view.set(bytes)
    this.#head = start + size
    this.#used += gap + size
    this.#out.push(gap + size)
    return view
  }

  /** The oldest body is not needed any more. */
  release(): void {
    this.#used -= this.#out.shift() ?? 0
  }
}
