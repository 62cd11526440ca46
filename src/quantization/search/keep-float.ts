import { addedNoise, compareLayers } from '../compare-layers.js'
import { coverageFloor, coverageFloorOf, coverageOf } from '../coverage.js'
import type { Placement } from '../placement/placement.js'
import { recipeFor } from './choose-recipe.js'
import type { CandidateOpener, Opened } from './open-candidates.js'
import { holds } from './score.js'

/** Samples on which the layers of the two models are compared. */
const layerSamples = 8
/** How many of the noisiest layers are kept float, attempt after attempt. */
const attempts = [1, 2, 4, 8] as const
/** How many of the first layers are kept float where the noisiest do not help. */
const firstLayers = [8, 16, 24, 32] as const

/** An open candidate with what its layers do. */
export interface Settled extends Opened {
  /** Noise over signal per integer operator, by node name; measured when it is asked for, since only the report may want it. */
  readonly noise: () => Promise<ReadonlyMap<string, number>>
  readonly notes: readonly string[]
}

/** Layers that are kept float, set after set, and how much must stay integer. */
interface Attempts {
  readonly ranked: readonly string[]
  readonly counts: readonly number[]
  readonly floor: number
  readonly reason: string
}

/**
 * The noisiest layers float, more and more of them, until the allowed drop holds on the evaluation samples; then the first of the graph, whose noise passes
 * through all that follows: a map of a sharp function of it shows what the averages of the layers do not. When it does not hold with all attempts, or too little
 * would be integer, no layer is kept float: it would cost time and not save the model.
 */
export async function keepNoisiestFloat(opener: CandidateOpener, first: Opened): Promise<Settled> {
  if (holds(first.evaluation)) return { ...first, noise: () => layerNoise(opener, first), notes: [] }
  const measured = await layerNoise(opener, first)
  const noise = async () => measured
  const { recipe, placement } = first.candidate
  const added = addedNoise(placement, measured)
  const products = [...added.keys()]
  const tried: readonly Attempts[] = [
    {
      ranked: products.toSorted((a, b) => added.get(b)! - added.get(a)!),
      counts: attempts,
      floor: coverageFloor,
      reason: 'kept float: among the layers that cost the most accuracy',
    },
    {
      ranked: products,
      counts: firstLayers,
      floor: coverageFloorOf(placement.layers),
      reason: 'kept float: among the first layers, whose noise passes through all that follows',
    },
  ]
  for (const { ranked, counts, floor, reason } of tried) {
    for (const count of counts) {
      const names = largestSet(placement, ranked, { count, floor })
      const keepFloat = new Map([...recipe.keepFloat, ...names.map(name => [name, reason] as const)])
      const opened = await opener.open(first.maker, await recipeFor(opener, first.maker, { ...recipe, keepFloat }))
      if (holds(opened.evaluation)) {
        await first.session.close()
        return { ...opened, noise, notes: [`${names.length} of ${ranked.length} convolutions and matrix products stay float for accuracy`] }
      }
      await opened.session.close()
      if (names.length < count) break
    }
  }
  return { ...first, noise, notes: [] }
}

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

/** Noise over signal per integer operator of a candidate, by node name, on the first samples. */
export function layerNoise(
  { options }: CandidateOpener,
  { maker, candidate }: Pick<Opened, 'maker' | 'candidate'>,
): Promise<Map<string, number>> {
  const { request, reference, batch } = options
  return compareLayers({
    float: maker.context.basis.model,
    int8: candidate.lowered,
    placement: candidate.placement,
    samples: request.samples,
    sampleCount: Math.min(layerSamples, reference.length),
    batch,
    engine: request.engine,
    threads: request.settings.threads,
  })
}
