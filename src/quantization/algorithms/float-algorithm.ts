import type { Model } from '../../graph/graph.js'
import type { Shapes } from '../placement/shapes.js'
import type { ChannelObserved, ChannelWanted } from '../statistics/statistics.js'

/** What a float algorithm is given: a prepared float model, and what it asked to have observed of it. */
export interface FloatAlgorithmInput {
  readonly model: Model
  /** At one sample. */
  readonly shapes: Shapes
  /** By value: everything that `wanted` named. */
  readonly channels: ReadonlyMap<string, ChannelObserved>
  /** SmoothQuant's exponent, 0..1; other algorithms do not look at it. */
  readonly alpha: number
}

/** One place that an algorithm changed, as the report shows it. */
export interface FloatChange {
  /** Names of the nodes whose weights changed. */
  readonly nodes: readonly string[]
  /** One sentence: what was done, with its figures. */
  readonly what: string
}

/**
 * An algorithm that rewrites a float model so that it quantizes better and computes the same: its outputs are equal to float rounding (1e-5 relative in the
 * tests). It changes constants and inserts or folds at most a multiplication; names of values stay wherever the value still is what it was.
 */
export interface FloatAlgorithm {
  /** Its switch in the settings. */
  readonly name: 'equalization' | 'channel_alignment' | 'smooth_quant'
  /** Algorithms that even out the same: once one of them was kept, this one is tried only where everything is. */
  readonly sparedBy?: readonly FloatAlgorithm['name'][]
  /** Values whose channels it needs, found by its own pattern; empty for a model that it has nothing to do in, and for one that needs no data. */
  wanted(model: Model, shapes: Shapes): readonly ChannelWanted[]
  /** `model` is not changed; no changes = there was nothing to do. */
  apply(input: FloatAlgorithmInput): { readonly model: Model; readonly changes: readonly FloatChange[] }
}

export function defineFloatAlgorithm<const T extends FloatAlgorithm>(algorithm: T): T {
  return Object.freeze(algorithm)
}
