import type { DeviceSpec } from '../../hardware/device-spec.js'
import { refineRanges } from '../algorithms/refine-ranges.js'
import { type CandidateMaker, estimatorFor, type Recipe } from '../candidate.js'
import type { Evaluation } from '../evaluate.js'
import type { ActivationMode } from '../ranges/affine.js'
import { type RangeEstimatorName, rangeEstimator } from '../ranges/catalog.js'
import { estimateRange } from '../ranges/range-estimator.js'
import { seedMode } from '../seed-mode.js'
import type { QuantizeSettings } from '../settings.js'
import type { CandidateOpener, Opened } from './open-candidates.js'
import { decibels, isBetter, isNearlyLossless, isWithinReach } from './score.js'

/** Estimators that `auto` tries, the plainest first. */
const autoEstimators: readonly RangeEstimatorName[] = ['histogram', 'min-max', 'quantile', 'mean-min-max', 'mean-quantile']
const thoroughEstimators: readonly RangeEstimatorName[] = [...autoEstimators, 'mse']

/** How activations may be quantized, as the settings and the model say before anything was measured. */
export interface Schemes {
  /** Likely ones first. */
  readonly modes: readonly ActivationMode[]
  readonly estimators: readonly RangeEstimatorName[]
  /** Why the first mode. */
  readonly suggestion: string
}

/** True when everything is to be tried, also where int8 is close to lossless already. */
export const isThorough = ({ preset }: QuantizeSettings): boolean => preset === 'accuracy'

/** @throws nothing: a scheme that the device does not take is its spec's affair */
export function schemesFor(settings: QuantizeSettings, spec: DeviceSpec, { model }: CandidateMaker['context']['basis']): Schemes {
  const asked = schemeOf(settings)
  const seed = seedMode(model.graph)
  const modes = asked === 'auto' ? allowedModes(spec, seed.mode) : [asked]
  const suggestion =
    asked !== 'auto'
      ? `${asked} was asked for`
      : modes.length === 1
        ? `the device takes ${modes[0]} activations only`
        : `the model suggests ${seed.mode} (${seed.because})`
  const estimators =
    settings.range_estimator !== 'auto' ? [settings.range_estimator] : isThorough(settings) ? thoroughEstimators : autoEstimators
  return { modes, estimators, suggestion }
}

/** Multiply-adds of a sample below which ONNX Runtime opens and runs a candidate in next to no time: then every one is tried, and what is changed is observed on all samples. */
export const smallMacs = 100_000

export interface ChooseRecipeOptions {
  readonly opener: CandidateOpener
  readonly schemes: Schemes
  /** The first scheme with the first estimator, on the basis that all others are made of. */
  readonly start: Opened
  /** The model was changed for it: what is still out of the reach of estimators is not tried on them. */
  readonly isRebalanced?: boolean
  readonly thorough: boolean
  /** Estimators that were measured on that basis before. */
  readonly known?: ReadonlyMap<RangeEstimatorName, Evaluation>
}

export interface EarlyEstimator {
  readonly best: Opened
  /** Every estimator that was measured and did not do. */
  readonly known: ReadonlyMap<RangeEstimatorName, Evaluation>
}

/**
 * The first estimator that leaves int8 close to lossless, before anything that changes the model is tried: a candidate costs a fraction of what observing a
 * changed model does. Where none does, or lossless is out of their reach, `start` stays. Losers are closed.
 */
export async function earlyEstimator({ opener, schemes, start, thorough }: ChooseRecipeOptions): Promise<EarlyEstimator> {
  const known = new Map([[start.candidate.recipe.estimator, start.evaluation]])
  if (thorough || isNearlyLossless(start.evaluation) || !isWithinReach(start.evaluation)) return { best: start, known }
  for (const estimator of schemes.estimators.slice(1)) {
    const opened = await opener.open(start.maker, await recipeFor(opener, start.maker, { ...start.candidate.recipe, estimator }))
    if (isNearlyLossless(opened.evaluation)) {
      await start.session.close()
      return { best: opened, known: new Map() }
    }
    known.set(estimator, opened.evaluation)
    await opened.session.close()
  }
  return { best: start, known }
}

/**
 * The likely scheme with each estimator, then the other scheme with the best of them; ends early where int8 is close to lossless, unless the model is so
 * small that trying on costs nothing. Losers are closed.
 */
export async function chooseRecipe({
  opener,
  schemes,
  start,
  thorough,
  known,
  isRebalanced = false,
}: ChooseRecipeOptions): Promise<Opened & { readonly why: string }> {
  const tryAll = thorough || (opener.options.request.target === undefined && macsOf(start) < smallMacs)
  const enough = ({ evaluation }: Opened) => !tryAll && isNearlyLossless(evaluation)
  const isWorthAll = tryAll || isWithinReach(start.evaluation)
  const estimators = isWorthAll ? schemes.estimators.slice(1) : isRebalanced ? [] : schemes.estimators.filter(needsNoSecondLook)
  let best = start
  for (const estimator of estimators) {
    if (enough(best)) break
    const measured = known?.get(estimator)
    if (measured !== undefined && !isBetter(measured, best.evaluation)) continue
    best = await better(opener, best, await recipeFor(opener, best.maker, { ...start.candidate.recipe, estimator }))
  }
  const [first, other] = schemes.modes
  if (other === undefined) return { ...best, why: schemes.suggestion }
  if (enough(best)) return { ...best, why: `${schemes.suggestion}, and that keeps ${decibels(best.evaluation)}` }
  const measured = await opener.open(best.maker, await recipeFor(opener, best.maker, { ...best.candidate.recipe, mode: other }))
  const figures = `${first} ${decibels(best.evaluation)}, ${other} ${decibels(measured.evaluation)} against float`
  const otherWins = isBetter(measured.evaluation, best.evaluation)
  await (otherWins ? best : measured).session.close()
  return otherWins
    ? { ...measured, why: `${schemes.suggestion}, but measuring says ${other}: ${figures}` }
    : { ...best, why: `${schemes.suggestion}, and measuring agrees: ${figures}` }
}

/** Those that are far from the others and need no second look at the samples. */
const needsNoSecondLook = (name: RangeEstimatorName) => name === 'mean-min-max'

export const macsOf = ({ candidate }: Opened): number => candidate.placement.layers.reduce((sum, { macs }) => sum + macs, 0)

/** The better of an open candidate and one that `recipe` makes; the other one is closed. */
async function better(opener: CandidateOpener, best: Opened, recipe: Recipe): Promise<Opened> {
  const opened = await opener.open(best.maker, recipe)
  const wins = isBetter(opened.evaluation, best.evaluation)
  await (wins ? best : opened).session.close()
  return wins ? opened : best
}

/** The recipe with its ranges chosen, where its estimator takes a second look or wants quantiles. */
export async function recipeFor(opener: CandidateOpener, maker: CandidateMaker, recipe: Recipe): Promise<Recipe> {
  const { refined: _, ...plain } = recipe
  const estimator = rangeEstimator(recipe.estimator)
  const { model, statistics } = maker.context.basis
  if (estimator.needs === 'quantile') {
    const inputs = new Set(model.graph.inputs.map(({ name }) => name))
    const quantiles = [...(await opener.quantilesOf(maker.context.basis))].filter(([value]) => !inputs.has(value))
    return { ...plain, refined: new Map(quantiles.map(([value, observed]) => [value, estimateRange(estimator, observed)])) }
  }
  if (estimator.refine === undefined) return plain
  const refined = refineRanges({
    placement: maker.place(recipe.keepFloat),
    statistics,
    histograms: await opener.histogramsOf(maker.context.basis),
    estimatorOf: estimatorFor(model, recipe.estimator),
    mode: recipe.mode,
  })
  return { ...plain, refined }
}

/** Schemes that the device takes for the inputs of its products, the likely one first. */
function allowedModes({ ops, quantizers }: DeviceSpec, likely: ActivationMode): readonly ActivationMode[] {
  const allowed = new Set(['Conv', 'Gemm', 'MatMul'].flatMap(op => ops[op]?.activations ?? []).map(name => quantizers[name]!.mode))
  const other: ActivationMode = likely === 'symmetric' ? 'asymmetric' : 'symmetric'
  const modes = [likely, other].filter(mode => allowed.has(mode))
  return modes.length === 0 ? [likely] : modes
}

/** `performance` is symmetric, `mixed` asymmetric (quantization.md 2.5), `accuracy` measures both; a scheme that is named wins over the preset. */
function schemeOf({ scheme, preset }: QuantizeSettings): QuantizeSettings['scheme'] {
  if (scheme !== 'auto' || preset === 'auto' || preset === 'accuracy') return scheme
  return preset === 'performance' ? 'symmetric' : 'asymmetric'
}
