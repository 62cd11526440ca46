import { writeModel } from '../../graph/onnx/write.js'
import type { SampleSource } from '../../samples/sample.js'
import { monotonicMs } from '../../time.js'
import { accuracyAware } from '../accuracy-aware/accuracy-aware.js'
import { identityOf } from '../accuracy-aware/checkpoint.js'
import { heldDemands } from '../accuracy-aware/held-demands.js'
import { MeasuredItems } from '../accuracy-aware/measured-items.js'
import type { Recipe } from '../candidate.js'
import type { OnProgress } from '../contract.js'
import type { AwareEntry } from '../report/report.js'
import { CandidateHost, type NamedRecipe } from './candidate-host.js'
import { recipeFor, type Schemes } from './choose-recipe.js'
import { layerNoise, type Settled } from './keep-float.js'
import { type CandidateOpener, nameOf, type Opened } from './open-candidates.js'

export interface ReachDemandsOptions {
  readonly opener: CandidateOpener
  readonly schemes: Schemes
  /** What the search chose: the fully quantized model that this starts from. Closed when another one is given back. */
  readonly start: Opened
  /** What every step is held to (`tuningItems`). */
  readonly tuning: SampleSource
  readonly onProgress?: OnProgress
}

/**
 * The accuracy-aware pipeline on real candidates: from what the search chose, through the other recipes, to layers that stay float, until every demand holds on
 * `tuning`. @throws ERR_ABORTED, ERR_QUANT_METRIC, ERR_ENGINE_*, ERR_SAMPLES_READ
 */
export async function reachDemands(options: ReachDemandsOptions): Promise<Settled & { readonly aware: AwareEntry }> {
  const { opener, schemes, start, tuning, onProgress } = options
  const { request, judging, output, batch } = opener.options
  const { settings, engine, signal, checkpoint } = request
  const items = new MeasuredItems({
    samples: tuning,
    judging,
    output,
    batch,
    demandsFor: first => heldDemands(settings, judging, first),
    openFloat: () => engine.open(writeModel(request.model), { threads: settings.threads, optimization: 'all' }),
  })
  const recipes = recipesFrom(opener, schemes, start)
  const host = new CandidateHost({
    opener,
    items,
    recipes,
    identity: identityOf({ model: request.sha256, samples: request.samples.hash, items: tuning.hash, settings, device: request.spec.name }),
    now: monotonicMs,
  })
  try {
    const { variant, entry } = await accuracyAware({
      host,
      demands: await items.demands(),
      rankingItems: settings.ranking_samples,
      maxReverts: settings.max_reverts,
      now: monotonicMs,
      onProgress: ({ stage, share, etaS }) => onProgress?.(stage, share, etaS),
      ...(checkpoint === undefined ? {} : { checkpoint }),
      ...(signal === undefined ? {} : { signal }),
    })
    const { maker, recipe } = await host.made(variant)
    if (variant.recipe === 0 && variant.keepFloat.length === 0) {
      return { ...start, noise: () => layerNoise(opener, start), notes: [], aware: entry }
    }
    const opened = await opener.open(maker, recipe)
    await start.session.close()
    return { ...opened, noise: () => layerNoise(opener, opened), notes: [], aware: entry }
  } finally {
    await items.close()
  }
}

/** The chosen recipe, then what differs from it by one choice: the other estimators, the other scheme, biases as they are. */
function recipesFrom(
  opener: CandidateOpener,
  { modes, estimators }: Schemes,
  { maker, candidate }: Opened,
): [NamedRecipe, ...NamedRecipe[]] {
  const { recipe } = candidate
  // Weights and biases that were tuned hold for the ranges that they were tuned under.
  const { tuned: _, ...untuned } = recipe
  const changed: Recipe[] = [
    ...estimators.filter(estimator => estimator !== recipe.estimator).map(estimator => ({ ...untuned, estimator })),
    ...modes.filter(mode => mode !== recipe.mode).map(mode => ({ ...untuned, mode })),
    ...(recipe.biasCorrection === 'fast' ? [{ ...untuned, biasCorrection: 'off' as const }] : []),
  ]
  const named = (changed: Recipe): NamedRecipe => ({
    name: nameOf(maker, changed),
    make: async () => {
      const { session, candidate } = await opener.openUnmeasured(maker, await recipeFor(opener, maker, changed))
      await session.close()
      return { maker, recipe: candidate.recipe }
    },
  })
  return [{ name: nameOf(maker, recipe), make: () => Promise.resolve({ maker, recipe }) }, ...changed.map(named)]
}
