import type { Tensor } from '../../graph/tensor/tensor.js'

/** Below, a new piece of memory costs less than to look for an old one. */
const smallestBytes = 64 * 1024
/** Answers that are kept for the next ones: of what runs side by side, and of models with a few outputs. */
const mostPieces = 8

/**
 * Memory of answers, given back by who has read them. Memory that is new to the process is mapped page by page while it is written first, which for an answer of a
 * megabyte takes three times as long as its copy.
 */
export class AnswerMemory {
  readonly #pieces: ArrayBuffer[] = []

  /** Memory that no one else holds; what is in it is left over from something else. */
  take(bytes: number): ArrayBuffer {
    const at = this.#pieces.findIndex(({ byteLength }) => byteLength === bytes)
    const [piece] = at === -1 ? [] : this.#pieces.splice(at, 1)
    // Not filled with zeros first: of a large answer that would take longer than its copy.
    return piece ?? Buffer.allocUnsafeSlow(bytes).buffer
  }

  /** Takes the memory of tensors that `take` gave, and that nobody reads any more; the oldest pieces make room. */
  give(tensors: readonly Tensor[]): void {
    for (const { data } of tensors) {
      const { buffer, byteLength } = data
      if (!(buffer instanceof ArrayBuffer) || byteLength < smallestBytes || byteLength !== buffer.byteLength) continue
      if (this.#pieces.includes(buffer)) continue
      this.#pieces.push(buffer)
      if (this.#pieces.length > mostPieces) this.#pieces.shift()
    }
  }
}
