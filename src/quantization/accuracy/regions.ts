import { defineMetricFamily, type Item, type LabelForm, labelMismatch, type MetricTally } from './metric.js'
import { realValues } from './real-values.js'

const maskLabel: LabelForm = {
  wanted: 'a mask of 0 and 1 with one entry per element,',
  fits: (label, output) => typeof label === 'object' && label.length === output.data.length,
}

/** Elements below which a region is a speck that no one looks at: 3 x 3. */
const smallestRegion = 9
const wantedOverlap = 0.5

/**
 * `regions:0.3`: connected regions above the threshold in a map (last two axes; text, lesions, lanes), held to those of a labelled mask or, without labels, of
 * float's map. A region is found when it overlaps one of the truth by at least half (IoU); F1 = 2 found / (regions of both), as text detectors are compared
 * (hmean). Neighbours touch along edges and corners; regions below 9 elements do not count. An item's figure is its own F1, 1 where both have none.
 */
export const regions = defineMetricFamily({
  name: 'regions',
  parameter: 'the threshold above which an element belongs to a region',
  accepts: Number.isFinite,
  make: threshold => ({
    name: `regions:${threshold}`,
    kind: 'share',
    needsLabels: false,
    labels: maskLabel,
    start: () => regionTally(`regions:${threshold}`, threshold),
  }),
})

function regionTally(name: string, threshold: number): MetricTally {
  let found = 0
  let all = 0
  return {
    add({ output, label, float }: Item) {
      if (label !== undefined && !maskLabel.fits(label, output)) throw labelMismatch(name, maskLabel.wanted, label)
      const size = { height: output.shape.at(-2) ?? 1, width: output.shape.at(-1) ?? 1 }
      const truth =
        label === undefined ? findRegions(realValues(float), threshold, size) : findRegions(label as readonly number[], 0.5, size)
      const answer = findRegions(realValues(output), threshold, size)
      const matched = countMatches(truth, answer)
      const both = truth.sizes.length + answer.sizes.length
      found += matched
      all += both
      return both === 0 ? 1 : (2 * matched) / both
    },
    value: () => (all === 0 ? 1 : (2 * found) / all),
  }
}

export interface Regions {
  /** Of each element, its region counted from 1; 0 for none. */
  readonly of: Int32Array
  /** Elements of each region. */
  readonly sizes: readonly number[]
}

export interface MapSize {
  readonly height: number
  readonly width: number
}

/** Connected regions of the elements above `threshold`, in the order of their first element; several maps may lie one after another. */
export function findRegions(values: ArrayLike<number>, threshold: number, { height, width }: MapSize): Regions {
  const of = new Int32Array(values.length)
  const sizes: number[] = []
  const stack: number[] = []
  for (let start = 0; start < values.length; start += 1) {
    if (of[start] !== 0 || !(values[start]! > threshold)) continue
    const region = sizes.length + 1
    const members = [start]
    of[start] = region
    stack.push(start)
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      const column = at % width
      const row = Math.floor(at / width) % height
      for (let y = row === 0 ? 0 : -1; y <= (row === height - 1 ? 0 : 1); y += 1) {
        for (let x = column === 0 ? 0 : -1; x <= (column === width - 1 ? 0 : 1); x += 1) {
          const next = at + y * width + x
          if (of[next] !== 0 || !(values[next]! > threshold)) continue
          of[next] = region
          members.push(next)
          stack.push(next)
        }
      }
    }
    if (members.length >= smallestRegion) sizes.push(members.length)
    // Seen, but none: a number that no region has.
    else for (const member of members) of[member] = -1
  }
  return { of, sizes }
}

/** Pairs of regions that overlap by at least half, each region in one pair at most. */
function countMatches(truth: Regions, answer: Regions): number {
  const shared = new Map<number, number>()
  const columns = answer.sizes.length + 1
  for (let i = 0; i < truth.of.length; i += 1) {
    if (truth.of[i]! <= 0 || answer.of[i]! <= 0) continue
    const pair = truth.of[i]! * columns + answer.of[i]!
    shared.set(pair, (shared.get(pair) ?? 0) + 1)
  }
  const taken = new Set<number>()
  let matches = 0
  for (const [pair, count] of shared) {
    const [one, other] = [Math.floor(pair / columns), pair % columns]
    const union = truth.sizes[one - 1]! + answer.sizes[other - 1]! - count
    // Above one half no region has two partners; at exactly one half the first takes it.
    if (count / union < wantedOverlap || taken.has(one) || taken.has(-other)) continue
    taken.add(one).add(-other)
    matches += 1
  }
  return matches
}
