import type { Metric } from '../accuracy/metric.js'
import type { Measured } from './checkpoint.js'
import type { Group } from './group.js'

/** Groups that one ranking measures by the metric; of more, those that add the most noise. */
export const mostRanked = 48

/** The groups that a ranking measures, in their order, when there are too many: the noisiest per convolution or matrix product. */
export function noisiestGroups(groups: readonly Group[], noise: ReadonlyMap<string, number>, count: number = mostRanked): readonly Group[] {
  if (groups.length <= count) return groups
  const perProduct = new Map(
    groups.map(group => [group, group.nodes.reduce((sum, node) => sum + (noise.get(node) ?? 0), 0) / group.products]),
  )
  const kept = new Set([...groups].sort((a, b) => perProduct.get(b)! - perProduct.get(a)!).slice(0, count))
  return groups.filter(group => kept.has(group))
}

/** A group and what the model without it does on the ranking subset. */
export interface Scored {
  readonly group: Group
  readonly without: Measured
}

export interface RankOptions {
  readonly scored: readonly Scored[]
  /** Place and kind of the metric that is optimised. */
  readonly metric: number
  readonly kind: Metric['kind']
  /** Noise on the subset of the model with all of the groups. */
  readonly noise: number
}

/**
 * The groups by what the metric is without them, the best first: of a share the highest, of a rate or an error the lowest. Where that is equal, by the noise that goes
 * for every convolution and matrix product that turns float; then in their own order. (Sorting by the error that remains and reverting the largest, as
 * NNCF's logits mode does, would revert the wrong end: quantization.md 4.8.)
 */
export function rankGroups({ scored, metric, kind, noise }: RankOptions): readonly Group[] {
  const sign = kind === 'share' ? 1 : -1
  const score = ({ without }: Scored) => sign * without.values[metric]!
  const gone = ({ group, without }: Scored) => (noise - without.noise) / group.products
  return [...scored].sort((a, b) => score(b) - score(a) || gone(b) - gone(a)).map(({ group }) => group)
}
