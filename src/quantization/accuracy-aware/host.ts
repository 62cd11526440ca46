import type { Group } from './group.js'

/** One int8 model: a recipe of the host, by its place in `recipes`, and the nodes that stay float. */
export interface Variant {
  readonly recipe: number
  /** Sorted names of nodes, beside those that every variant keeps float. */
  readonly keepFloat: readonly string[]
}

/** What a model answers to some items, against the truth and against float. */
export interface Measurement {
  /** Value of every metric, in the order of the demands. */
  readonly values: readonly number[]
  /** Energy of the difference to float over that of float's output; 0 for float itself. */
  readonly noise: number
  /** By metric, then by item in the order they were asked for: the item's own figure. */
  readonly figures: readonly Float64Array[]
  /** By item: distance to float's output, as noise over signal of that item; NaN where it was left out. */
  readonly distances: Float64Array
  /** Milliseconds that opening the model took, and the items. */
  readonly openMs: number
  readonly itemsMs: number
}

/** What a variant looks like before it is run. */
export interface Placed {
  /** Everything that can be reverted as one, those at the end of the graph first. */
  readonly groups: readonly Group[]
  /** Names of the operators that compute in int8. */
  readonly quantized: readonly string[]
  /** True while so much is integer that keeping layers float is no question; groups that would end it come last. */
  readonly ample: boolean
  /** Why it would be no int8 model any more; undefined when it is one. */
  readonly gap: string | undefined
}

/** Whoever can make and run the models that the accuracy-aware pipeline asks for. The same question gets the same answer, times aside. */
export interface AwareHost {
  readonly itemCount: number
  /** Names the model, the items and all else that answers depend on: a checkpoint of another host is worth nothing. */
  readonly identity: string
  /** Names of the recipes that tuning may try, the plain one first; never empty. */
  readonly recipes: readonly string[]
  /** The float model on all items; asked once. */
  float(signal?: AbortSignal): Promise<Measurement>
  place(variant: Variant): Promise<Placed>
  /**
   * Makes, opens, runs and closes a variant. @param items which ones; undefined = all, and distances to float may be left out where they cost too much
   * @throws ERR_ABORTED
   */
  measure(variant: Variant, items: readonly number[] | undefined, signal?: AbortSignal): Promise<Measurement>
  /** Noise that each node adds to what reaches it, for a cheap first ranking; nodes that add none may be missing. */
  addedNoise(variant: Variant): Promise<ReadonlyMap<string, number>>
}
