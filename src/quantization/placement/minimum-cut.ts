/** A directed network whose minimum cut is wanted. Vertices are numbers from 0, in the order that `vertex` gave them. */
export class CutNetwork {
  readonly source = 0
  readonly sink = 1
  readonly #heads: number[] = []
  readonly #capacities: number[] = []
  readonly #edges: number[][] = [[], []]

  vertex(): number {
    this.#edges.push([])
    return this.#edges.length - 1
  }

  /** Cutting between `from` (on the source's side) and `to` (on the sink's) costs `capacity`; Infinity forbids it. */
  edge(from: number, to: number, capacity: number): void {
    if (capacity <= 0 || from === to) return
    this.#edges[from]!.push(this.#heads.length)
    this.#heads.push(to)
    this.#capacities.push(capacity)
    this.#edges[to]!.push(this.#heads.length)
    this.#heads.push(from)
    this.#capacities.push(0)
  }

  /** True per vertex that stands on the source's side of a minimum cut (Edmonds and Karp: shortest augmenting paths). The largest such side: ties go to the source. */
  sourceSide(): readonly boolean[] {
    for (;;) {
      const via = this.#shortestPath()
      if (via === undefined) break
      let least = Number.POSITIVE_INFINITY
      for (let at = this.sink; at !== this.source; at = this.#tail(via[at]!)) least = Math.min(least, this.#capacities[via[at]!]!)
      if (!Number.isFinite(least)) throw new RangeError('a way of infinite capacity leads from the source to the sink')
      for (let at = this.sink; at !== this.source; at = this.#tail(via[at]!)) {
        this.#capacities[via[at]!]! -= least
        this.#capacities[via[at]! ^ 1]! += least
      }
    }
    const sinkSide = this.#reaching(this.sink)
    return this.#edges.map((_, vertex) => !sinkSide.has(vertex))
  }

  #tail(edge: number): number {
    return this.#heads[edge ^ 1]!
  }

  /** Per vertex the edge that leads to it on a shortest way from source to sink. */
  #shortestPath(): readonly (number | undefined)[] | undefined {
    const via: (number | undefined)[] = new Array(this.#edges.length)
    const queue = [this.source]
    for (let next = 0; next < queue.length; next += 1) {
      for (const edge of this.#edges[queue[next]!]!) {
        const head = this.#heads[edge]!
        if (head === this.source || via[head] !== undefined || this.#capacities[edge]! <= smallest) continue
        via[head] = edge
        if (head === this.sink) return via
        queue.push(head)
      }
    }
    return undefined
  }

  /** Vertices from which `target` can still be reached. */
  #reaching(target: number): ReadonlySet<number> {
    const found = new Set([target])
    const queue = [target]
    for (let next = 0; next < queue.length; next += 1) {
      for (const edge of this.#edges[queue[next]!]!) {
        const from = this.#heads[edge]!
        if (found.has(from) || this.#capacities[edge ^ 1]! <= smallest) continue
        found.add(from)
        queue.push(from)
      }
    }
    return found
  }
}

/** Rests of subtractions below this are none. */
const smallest = 1e-9
