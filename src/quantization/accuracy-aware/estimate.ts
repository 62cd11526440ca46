export interface EstimateOptions {
  /** Milliseconds that opening a variant took, and running all items. */
  readonly openMs: number
  readonly itemsMs: number
  readonly items: number
  readonly rankingItems: number
  /** Groups ranked by the metric in one ranking. */
  readonly groups: number
  /** Recipes left to be tried. */
  readonly recipes: number
  readonly maxReverts: number
}

/** Share of the groups that may have to be reverted: more, and the result is hardly an int8 model. */
const revertedShare = 0.2

/**
 * Seconds that tuning, one ranking and the reverts may take, told from one evaluation that was timed: every variant is opened once, a ranking runs its
 * subset, a tuning step or a revert all items. A revert that does not help asks for another ranking, which is not foreseen.
 */
export function estimateSeconds({ openMs, itemsMs, items, rankingItems, groups, recipes, maxReverts }: EstimateOptions): number {
  const ranking = groups * (openMs + (itemsMs * rankingItems) / Math.max(1, items))
  const reverts = Math.min(maxReverts, Math.ceil(groups * revertedShare))
  const ms = ranking + (recipes + reverts) * (openMs + itemsMs)
  return Math.round(ms) / 1000
}
