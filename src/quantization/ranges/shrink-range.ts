import type { Range } from './affine.js'
import type { SecondLook } from './range-estimator.js'

/** Factors of an end: 1, 0.99 .. 0.2 (K = 80 of quantization.md 3.4). Below, steps would be finer than the bins of a histogram. */
const factors: readonly number[] = Array.from({ length: 81 }, (_, k) => 1 - k / 100)

/** Sweeps of either end; a third changes hardly anything. */
const sweeps = 3

export type ErrorOf = (look: SecondLook, range: Range) => number

/** Both ends at `factor` of the larger magnitude, where the values reach that far: what a symmetric quantizer can choose from. */
export function shrinkTogether({ low, high }: Range, factor: number): Range {
  const magnitude = factor * Math.max(Math.abs(low), Math.abs(high))
  return { low: Math.max(low, -magnitude), high: Math.min(high, magnitude) }
}

/** The range of least error among those with both ends shrunk by one factor; the widest of equals. */
export function searchMagnitude(look: SecondLook, errorOf: ErrorOf): Range {
  return best(
    look,
    factors.map(factor => shrinkTogether(look.range, factor)),
    errorOf,
  ).range
}

/** The same with either end shrunk by a factor of its own: one sweep of an end after the other, until neither moves. */
export function searchEnds(look: SecondLook, errorOf: ErrorOf): Range {
  const { range: whole } = look
  let found = { range: whole, error: errorOf(look, whole) }
  for (let sweep = 0; sweep < sweeps; sweep += 1) {
    const before = found.error
    for (const end of ['high', 'low'] as const) {
      const swept = best(
        look,
        factors.map(factor => ({ ...found.range, [end]: whole[end] * factor })),
        errorOf,
      )
      if (swept.error < found.error) found = swept
    }
    if (found.error === before) break
  }
  return found.range
}

function best(look: SecondLook, ranges: readonly Range[], errorOf: ErrorOf) {
  let found = { range: ranges[0]!, error: errorOf(look, ranges[0]!) }
  for (const range of ranges.slice(1)) {
    const error = errorOf(look, range)
    if (error < found.error) found = { range, error }
  }
  return found
}
