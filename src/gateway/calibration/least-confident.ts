/** The `capacity` answers with the smallest margin between the best two classes, in rising order of margin. */
export class LeastConfident {
  readonly #items: { readonly id: string; readonly confidence: number }[]
  #capacity: number

  constructor(capacity: number, items: Iterable<{ readonly id: string; readonly confidence: number }>) {
    this.#capacity = capacity
    this.#items = [...items].sort((a, b) => a.confidence - b.confidence)
  }

  get size(): number {
    return this.#items.length
  }

  /** Whether an answer of this confidence belongs here. */
  wants(confidence: number): boolean {
    if (this.#items.length < this.#capacity) return true
    const worst = this.#items.at(-1)
    return worst !== undefined && this.#capacity > 0 && confidence < worst.confidence
  }

  /** @returns who has to leave for it */
  place(id: string, confidence: number): string | undefined {
    let low = 0
    let high = this.#items.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#items[middle]!.confidence <= confidence) low = middle + 1
      else high = middle
    }
    this.#items.splice(low, 0, { id, confidence })
    return this.#items.length > this.#capacity ? this.#items.pop()?.id : undefined
  }

  /** Gives up the most confident one. */
  shrink(): string | undefined {
    return this.#items.pop()?.id
  }

  /** @returns what no longer has a place, the most confident first */
  resize(capacity: number): readonly string[] {
    this.#capacity = capacity
    const excess: string[] = []
    while (this.#items.length > capacity) excess.push(this.#items.pop()!.id)
    return excess
  }

  remove(id: string): void {
    const place = this.#items.findIndex(item => item.id === id)
    if (place >= 0) this.#items.splice(place, 1)
  }

  clear(): void {
    this.#items.length = 0
  }
}
