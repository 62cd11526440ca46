import type { Measurement } from './host.js'

export interface RankingSubsetOptions {
  /** Both on all items, with all distances. */
  readonly float: Pick<Measurement, 'figures'>
  readonly int8: Pick<Measurement, 'figures' | 'distances'>
  /** Place of the metric that is optimised. */
  readonly metric: number
  /** Items at most. */
  readonly count: number
}

/**
 * The items on which float and int8 differ most by the metric's own figure, gained or lost: only there can reverting a layer change the metric. Where
 * figures are equal, those whose outputs lie the furthest apart: the next to change. Ascending.
 */
export function rankingSubset({ float, int8, metric, count }: RankingSubsetOptions): number[] {
  const [wanted, found] = [float.figures[metric]!, int8.figures[metric]!]
  const difference = Float64Array.from(wanted, (figure, item) => Math.abs(figure - found[item]!))
  return Array.from(difference.keys())
    .sort((a, b) => difference[b]! - difference[a]! || int8.distances[b]! - int8.distances[a]! || a - b)
    .slice(0, count)
    .sort((a, b) => a - b)
}
