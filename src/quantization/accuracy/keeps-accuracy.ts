import type { Judgement } from '../report/report.js'
import type { QuantizeSettings } from '../settings.js'
import type { Metric } from './metric.js'
import { signalLimits } from './signal.js'

export interface DropOptions {
  readonly kind: Metric['kind']
  readonly float: number
  readonly int8: number
  readonly dropKind: QuantizeSettings['drop']
}

/** What int8 loses: the difference, or its share of float's figure. Below 0 where int8 is the better one. */
export function dropOf({ kind, float, int8, dropKind }: DropOptions): number {
  const loss = kind === 'share' ? float - int8 : int8 - float
  return kind === 'error' || dropKind === 'relative' ? loss / Math.max(float, 1e-12) : loss
}

/** Sums of shares are off in the last bits. */
const slack = 1e-12

/** True when every metric that was measured holds its allowance; the signal decides where the first was not. */
export function keepsAccuracy({
  drop,
  max_drop,
  snr_db,
  cosine,
  others = [],
}: Pick<Judgement, 'drop' | 'max_drop' | 'snr_db' | 'cosine' | 'others'>): boolean {
  const first = drop === null ? (snr_db ?? 0) >= signalLimits.snrDb && (cosine ?? 0) >= signalLimits.cosine : drop <= max_drop + slack
  return first && failing(others).length === 0
}

/** Of `others`, those that were measured and lose too much. */
export const failing = (others: NonNullable<Judgement['others']>) =>
  others.filter(({ drop, max_drop }) => drop !== null && drop > max_drop + slack)
