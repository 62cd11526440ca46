/** Runs what it is given one after the other, in order of asking. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    // The next one starts whatever becomes of this one; the caller is told by `result`.
    this.#last = result.catch(() => {})
    return result
  }
}
