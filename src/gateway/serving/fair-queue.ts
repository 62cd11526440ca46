/** What stands in a queue: `flow` is who it is for, `priority` 3 goes first. */
export interface Queued {
  readonly flow: string
  readonly priority: 0 | 1 | 2 | 3
  readonly bytes: number
}

/**
 * Higher priority first; within one, callers (flows) take turns, one request each, so that a caller with sixty requests waiting does not delay another's
 * first. Within a flow and priority: first in, first out.
 */
export class FairQueue<T extends Queued> {
  /** Per priority: flow -> its requests, the flow whose turn it is first. */
  readonly #levels: readonly Map<string, T[]>[] = [new Map(), new Map(), new Map(), new Map()]
  #size = 0
  #bytes = 0

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#bytes
  }

  push(item: T): void {
    const level = this.#level(item.priority)
    const flow = level.get(item.flow)
    if (flow === undefined) level.set(item.flow, [item])
    else flow.push(item)
    this.#size += 1
    this.#bytes += item.bytes
  }

  /** The next one whose turn it is and that `ready` lets start; its flow goes to the end of the line. */
  take(ready: (item: T) => boolean): T | undefined {
    for (let priority = 3; priority >= 0; priority -= 1) {
      const level = this.#level(priority)
      for (const [name, flow] of level) {
        const item = flow[0]
        if (item === undefined || !ready(item)) continue
        flow.shift()
        level.delete(name)
        if (flow.length > 0) level.set(name, flow)
        this.#size -= 1
        this.#bytes -= item.bytes
        return item
      }
    }
    return undefined
  }

  /** Takes out all for which `gone` holds, wherever they stand. */
  remove(gone: (item: T) => boolean): T[] {
    const removed: T[] = []
    for (const level of this.#levels)
      for (const [name, flow] of level) {
        const stay = flow.filter(item => !gone(item))
        if (stay.length === flow.length) continue
        removed.push(...flow.filter(gone))
        if (stay.length === 0) level.delete(name)
        else level.set(name, stay)
      }
    this.#size -= removed.length
    this.#bytes -= removed.reduce((sum, { bytes }) => sum + bytes, 0)
    return removed
  }

  #level(priority: number): Map<string, T[]> {
    return this.#levels[priority] as Map<string, T[]>
  }
}
