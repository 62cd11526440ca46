import type { Metric } from '../accuracy/metric.js'

/** One metric that int8 is held to. */
export interface Demand {
  readonly name: string
  readonly kind: Metric['kind']
  /** What int8 may lose. */
  readonly maxDrop: number
  /** `absolute`: a difference; `relative`: a share of float's value. */
  readonly drop: 'absolute' | 'relative'
}

/** What `int8` loses against `float`, in the terms of the demand; negative = it gained. */
export function dropOf({ kind, drop }: Demand, float: number, int8: number): number {
  const loss = kind === 'share' ? float - int8 : int8 - float
  return drop === 'absolute' ? loss : loss / Math.max(Math.abs(float), 1e-12)
}

/** Values of every demand's metric, in the order of the demands. */
type Values = readonly number[]

/** Differences of floating-point sums do not refuse a model. */
const rounding = 1e-12

export interface Compared {
  readonly demands: readonly Demand[]
  readonly float: Values
}

/** True when no metric loses more than it may. */
export function demandsHold({ demands, float }: Compared, int8: Values): boolean {
  return demands.every((demand, at) => dropOf(demand, float[at]!, int8[at]!) <= demand.maxDrop + rounding)
}

/** How far one demand is missed, as a share of float's value, so that metrics compare; at most 0 = it holds. */
function excessOf(demand: Demand, float: number, int8: number): number {
  const excess = dropOf(demand, float, int8) - demand.maxDrop
  const scale = demand.drop === 'relative' || float === 0 ? 1 : Math.abs(float)
  return excess <= rounding ? Math.min(0, excess / scale) : excess / scale
}

/** The demand that is missed by the most, (drop - max_drop) / baseline (quantization.md 4.8): the one to optimise; the first of equals. */
export function worstDemand({ demands, float }: Compared, int8: Values): { readonly at: number; readonly excess: number } {
  let worst = { at: 0, excess: Number.NEGATIVE_INFINITY }
  for (const [at, demand] of demands.entries()) {
    const excess = excessOf(demand, float[at]!, int8[at]!)
    if (excess > worst.excess) worst = { at, excess }
  }
  return worst
}

/** A value as a person reads it. */
export function formatValue({ kind }: Demand, value: number): string {
  return kind === 'share' ? `${(100 * value).toFixed(2)} %` : value.toPrecision(4)
}

/** A drop as a person reads it. */
export function formatDrop({ kind, drop }: Demand, value: number): string {
  if (drop === 'relative') return `${(100 * value).toFixed(2)} %`
  return kind === 'share' ? `${(100 * value).toFixed(2)} points` : value.toPrecision(3)
}
