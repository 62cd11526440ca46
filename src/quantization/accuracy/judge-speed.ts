import type { Judgement } from '../report/report.js'

type Timing = NonNullable<Judgement['timing']>

/** int8 counts as faster at this median ratio or below, its interval ending below 1 (DECISIONS, Judge). */
export const fasterRatio = 0.97

/**
 * Timing of paired rounds: median of int8 / float round by round, with the 95 % interval of that median from order statistics (binomial, no assumption on
 * the distribution).
 * @param timesUs microseconds of float and of int8, `[float, int8]`, round k of one beside round k of the other
 */
export function timingOf([float, int8]: readonly [readonly number[], readonly number[]]): Timing {
  const rounds = Math.min(float.length, int8.length)
  const ratios = Array.from({ length: rounds }, (_, round) => int8[round]! / float[round]!).sort((a, b) => a - b)
  const { low, high } = medianInterval(rounds)
  return {
    float_us: median(float),
    int8_us: median(int8),
    ratio: median(ratios),
    low: ratios[low] ?? Number.NaN,
    high: ratios[high] ?? Number.NaN,
    rounds,
  }
}

/**
 * Indices of the order statistics that bound the median of `count` values with at least 95 % confidence: the largest k with P(Binomial(count, 1/2) < k) <= 2.5 %,
 * counted from both ends. The whole span where there are too few values for that.
 */
export function medianInterval(count: number): { readonly low: number; readonly high: number } {
  // Logarithms: 2^-count is no number of its own from some 1,000 rounds on.
  let probability = -count * Math.LN2
  let cumulative = Math.exp(probability)
  let k = 0
  while (cumulative <= 0.025 && k < count / 2) {
    k += 1
    probability += Math.log((count - k + 1) / k)
    cumulative += Math.exp(probability)
  }
  const low = Math.max(0, k - 1)
  return { low, high: Math.max(0, count - 1 - low) }
}

export const isFaster = ({ ratio, high }: Timing): boolean => ratio <= fasterRatio && high < 1

/** The judgement with what timing says: what is not faster than float is refused, whatever its accuracy. */
export function judgeSpeed(judgement: Judgement, timesUs: readonly [readonly number[], readonly number[]], subject = 'int8'): Judgement {
  const timing = timingOf(timesUs)
  const times = `${milliseconds(timing.float_us)} in float, ${milliseconds(timing.int8_us)} in ${subject}`
  if (!isFaster(timing)) {
    const interval = `${timing.low.toFixed(2)} to ${timing.high.toFixed(2)}`
    const slow = `${subject} is not faster than float: ${times}, ratio ${timing.ratio.toFixed(2)} (${interval}; at most ${fasterRatio} wanted)`
    return {
      ...judgement,
      timing,
      verdict: 'refused',
      sentence: judgement.verdict === 'refused' ? `${judgement.sentence}; and ${slow}` : slow,
    }
  }
  return { ...judgement, timing, sentence: `${judgement.sentence}; ${(1 / timing.ratio).toFixed(2)} times as fast (${times})` }
}

const milliseconds = (us: number) => `${(us / 1000).toPrecision(3)} ms`

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
