import type { Candidate } from '../candidate.js'
import { addedNoise, compareLayers } from '../compare-layers.js'
import { coverageFloor, coverageFloorOf, coverageOf } from '../coverage.js'
import type { Placement } from '../placement/placement.js'
import { recipeFor } from './choose-recipe.js'
import type { CandidateOpener, Opened } from './open-candidates.js'
import { holds, holdsWithRoom } from './score.js'

/** Samples on which the layers of the two models are compared. */
const layerSamples = 8
/** How many of the noisiest layers are kept float, at most. */
const mostNoisy = 8
/** How many of the first layers are kept float where the noisiest do not help, at most, and in steps of. */
const mostFirst = 32
const firstStep = 8

/** An open candidate with what its layers do. */
export interface Settled extends Opened {
  /** Noise over signal per integer operator, by node name; measured when it is asked for, since only the report may want it. */
  readonly noise: () => Promise<ReadonlyMap<string, number>>
  readonly notes: readonly string[]
}

/** Layers that may be kept float, the first of them more likely, and how much must stay integer. */
interface Attempts {
  readonly ranked: readonly string[]
  /** How many may be tried, ascending. */
  readonly counts: readonly number[]
  readonly floor: number
  readonly reason: string
}

/**
 * The fewest of the noisiest layers float with which the allowed drop holds on the evaluation samples; else the fewest of the first layers of the graph, whose
 * noise passes through all that follows: a map of a sharp function of it shows what the averages of the layers do not. When it does not hold with the most that
 * are tried, or too little would be integer, no layer is kept float: it would cost time and not save the model.
 */
export async function keepNoisiestFloat(opener: CandidateOpener, best: Opened): Promise<Settled> {
  const first = await opener.measuredOnAll(best)
  if (holds(first.evaluation)) return { ...first, noise: () => layerNoise(opener, first), notes: [] }
  const measured = await layerNoise(opener, first)
  const noise = async () => measured
  const added = addedNoise(first.candidate.placement, measured)
  const products = [...added.keys()]
  const steps = (most: number, step: number) => Array.from({ length: most / step }, (_, index) => (index + 1) * step)
  const tried: readonly Attempts[] = [
    {
      ranked: products.toSorted((a, b) => added.get(b)! - added.get(a)!),
      counts: steps(mostNoisy, 1),
      floor: coverageFloor,
      reason: 'kept float: among the layers that cost the most accuracy',
    },
    {
      ranked: products,
      counts: steps(mostFirst, firstStep),
      floor: coverageFloorOf(first.candidate.placement.layers),
      reason: 'kept float: among the first layers, whose noise passes through all that follows',
    },
  ]
  for (const attempts of tried) {
    const found = await fewestThatHold(opener, first, attempts)
    if (found === undefined) continue
    await first.session.close()
    const note = `${found.names.length} of ${products.length} convolutions and matrix products stay float for accuracy`
    return { ...found.opened, noise, notes: [note] }
  }
  return { ...first, noise, notes: [] }
}

interface Held {
  readonly opened: Opened
  readonly names: readonly string[]
}

/** By halving, from the most: what does not hold with all of them is not tried with fewer. Those that are not returned are closed. */
async function fewestThatHold(opener: CandidateOpener, { maker, candidate }: Opened, attempts: Attempts): Promise<Held | undefined> {
  const { ranked, floor, reason } = attempts
  const sets = distinctSets(attempts.counts.map(count => largestSet(candidate.placement, ranked, { count, floor })))
  const attempt = async (names: readonly string[]): Promise<Held | undefined> => {
    const keepFloat = new Map([...candidate.recipe.keepFloat, ...names.map(name => [name, reason] as const)])
    const opened = await opener.open(maker, await recipeFor(opener, maker, { ...candidate.recipe, keepFloat }), 'all')
    if (holds(opened.evaluation)) return { opened, names }
    await opened.session.close()
    return undefined
  }
  let best: Held | undefined
  for (let low = 0, high = sets.length - 1; low <= high; ) {
    const middle = best === undefined ? high : (low + high) >> 1
    const found = await attempt(sets[middle]!)
    if (found === undefined && best === undefined) return undefined
    // What holds by a hair on the samples that it was chosen on fails on others as often as not: fewer layers than the most have to hold with room to spare.
    const isEnough = found !== undefined && (best === undefined || holdsWithRoom(found.opened.evaluation))
    if (isEnough) {
      await best?.opened.session.close()
      best = found
      high = middle - 1
    } else {
      await found?.opened.session.close()
      low = middle + 1
    }
  }
  return best
}

/** Without those that the floor left no larger than the one before, and without empty ones. */
const distinctSets = (sets: readonly (readonly string[])[]) => sets.filter(({ length }, index) => length > (sets[index - 1]?.length ?? 0))

/** The first of `ranked`, at most `count`, without those whose loss would bring the coverage below `floor`. */
function largestSet(
  placement: Placement,
  ranked: readonly string[],
  { count, floor }: { count: number; floor: number },
): readonly string[] {
  const names = new Set<string>()
  for (const name of ranked) {
    if (names.size === count) break
    names.add(name)
    const layers = placement.layers.map(layer => (names.has(layer.node.name) ? { ...layer, state: 'float' as const } : layer))
    if (coverageOf(layers) < floor) names.delete(name)
  }
  return [...names]
}

const known = new WeakMap<Candidate, Promise<Map<string, number>>>()

/** Noise over signal per integer operator of a candidate, by node name, on the first samples. Measured once. */
export function layerNoise(
  { options }: CandidateOpener,
  { maker, candidate }: Pick<Opened, 'maker' | 'candidate'>,
): Promise<Map<string, number>> {
  const { request, reference, batch } = options
  const noise =
    known.get(candidate) ??
    compareLayers({
      float: maker.context.basis.model,
      int8: candidate.lowered,
      placement: candidate.placement,
      samples: request.samples,
      sampleCount: Math.min(layerSamples, reference.length),
      batch,
      engine: request.engine,
      threads: request.settings.threads,
    })
  known.set(candidate, noise)
  return noise
}
