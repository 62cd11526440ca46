import { shuffled } from '../../samples/shuffle.js'
import type { CapturedSample } from '../calibration/capture.js'

/** Held-out items from which on a judgement is one (DECISIONS, Judge). */
export const fewestHeldOut = 100
/** Calibration samples below which more held-out ones would not help: the ranges would be guesses. */
const fewestCalibration = 50
/** Items beyond which a judgement gains nothing that is worth its time. */
const mostHeldOut = 1000
/** Share of the calibration samples that may be the least confident ones: they widen ranges, and are no picture of the traffic. */
const leastConfidentShare = 0.1
/** Parts the same reservoir the same way every time. */
const seed = 20

export interface SampleSplit {
  readonly calibration: readonly CapturedSample[]
  /** From the reservoir alone, never calibrated on. */
  readonly heldOut: readonly CapturedSample[]
}

/**
 * Parts what was captured into `wanted` samples to calibrate on and those to judge with. Judging comes first: 100 are held out as soon as 50 are left to
 * calibrate on; below that the split is half and half, and the result stays unjudged. With 100 labels or more the judge gets labelled samples alone,
 * with fewer it gets none of the labels: a metric over a mixture would mean nothing.
 */
export function splitSamples(samples: readonly CapturedSample[], wanted: number): SampleSplit {
  const reservoir = samples.filter(({ pool }) => pool === 'reservoir')
  const order = shuffled(reservoir.length, seed).map(index => reservoir[index]!)
  const labelled = order.filter(({ label }) => label !== undefined)
  const judgeable = labelled.length >= fewestHeldOut ? labelled : order.map(withoutLabel)
  const heldOut = judgeable.slice(0, heldOutOf(reservoir.length, wanted))
  const held = new Set(heldOut.map(({ id }) => id))
  const uncertain = samples.filter(({ pool }) => pool === 'least-confident').slice(0, Math.floor(wanted * leastConfidentShare))
  const rest = order.filter(({ id }) => !held.has(id)).slice(0, wanted - uncertain.length)
  return { calibration: inOrder([...rest, ...uncertain]), heldOut: inOrder(heldOut) }
}

function heldOutOf(count: number, wanted: number): number {
  if (count < fewestHeldOut + fewestCalibration) return Math.floor(count / 2)
  return Math.min(mostHeldOut, Math.max(fewestHeldOut, count - wanted))
}

function withoutLabel({ label: _, ...sample }: CapturedSample): CapturedSample {
  return sample
}

function inOrder(samples: readonly CapturedSample[]): readonly CapturedSample[] {
  return [...samples].sort((a, b) => (a.id < b.id ? -1 : 1))
}
