import { addedNoise, compareLayers } from '../compare-layers.js'
import { coverageFloor, coverageOf } from '../coverage.js'
import type { Placement } from '../placement/placement.js'
import type { CandidateOpener, Opened } from './open-candidates.js'
import { holds } from './score.js'

/** Samples on which the layers of the two models are compared. */
const layerSamples = 8
/** How many of the noisiest layers are kept float, attempt after attempt. */
const attempts = [1, 2, 4, 8] as const

/** An open candidate with what its layers do. */
export interface Settled extends Opened {
  /** Noise over signal per integer operator, by node name. */
  readonly noise: ReadonlyMap<string, number>
  readonly notes: readonly string[]
}

/**
 * The noisiest layers float, more and more of them, until the allowed drop holds on the evaluation samples. When it does not with all attempts, or too little
 * would be integer, no layer is kept float: it would cost time and not save the model.
 */
export async function keepNoisiestFloat(opener: CandidateOpener, first: Opened): Promise<Settled> {
  const noise = await layerNoise(opener, first)
  if (holds(first.evaluation)) return { ...first, noise, notes: [] }
  const { recipe, placement } = first.candidate
  const added = addedNoise(placement, noise)
  const ranked = [...added.keys()].sort((a, b) => added.get(b)! - added.get(a)!)
  for (const count of attempts) {
    const names = largestSet(placement, ranked, count)
    const reason = 'kept float: among the layers that cost the most accuracy'
    const keepFloat = new Map([...recipe.keepFloat, ...names.map(name => [name, reason] as const)])
    const opened = await opener.open(first.maker, { ...recipe, keepFloat })
    if (holds(opened.evaluation)) {
      await first.session.close()
      return { ...opened, noise, notes: [`${names.length} of ${ranked.length} convolutions and matrix products stay float for accuracy`] }
    }
    await opened.session.close()
    if (names.length < count) break
  }
  return { ...first, noise, notes: [] }
}

/** The first of `ranked`, at most `count`, without those whose loss would bring the coverage below its floor. */
function largestSet(placement: Placement, ranked: readonly string[], count: number): readonly string[] {
  const names = new Set<string>()
  for (const name of ranked) {
    if (names.size === count) break
    names.add(name)
    const layers = placement.layers.map(layer => (names.has(layer.node.name) ? { ...layer, state: 'float' as const } : layer))
    if (coverageOf(layers) < coverageFloor) names.delete(name)
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
