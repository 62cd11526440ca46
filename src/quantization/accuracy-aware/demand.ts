import { dropOf } from '../accuracy/keeps-accuracy.js'
import type { Metric } from '../accuracy/metric.js'

/** One metric that int8 is held to. */
export interface Demand {
  readonly name: string
  readonly kind: Metric['kind']
  /** What int8 may lose. */
  readonly maxDrop: number
  /** `absolute`: a difference; `relative`: a share of float's value, as it always is for errors. */
  readonly drop: 'absolute' | 'relative'
}

const isRelative = ({ kind, drop }: Demand) => kind === 'error' || drop === 'relative'

/** What `int8` loses against `float`, in the terms of the demand; negative = it gained. */
export const lossOf = ({ kind, drop }: Demand, float: number, int8: number): number => dropOf({ kind, float, int8, dropKind: drop })

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
  return demands.every((demand, at) => lossOf(demand, float[at]!, int8[at]!) <= demand.maxDrop + rounding)
}

/** How far one demand is missed, as a share of float's value, so that metrics compare; at most 0 = it holds. */
function excessOf(demand: Demand, float: number, int8: number): number {
  const excess = lossOf(demand, float, int8) - demand.maxDrop
  const scale = isRelative(demand) || float === 0 ? 1 : Math.abs(float)
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
  return kind === 'error' ? value.toPrecision(4) : `${(100 * value).toFixed(2)} %`
}

/** A drop as a person reads it. */
export function formatDrop(demand: Demand, value: number): string {
  return `${(100 * value).toFixed(2)} ${isRelative(demand) ? '%' : 'points'}`
}
