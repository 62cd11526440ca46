import type { Session } from '../engines/engine.js'
import type { Tensor } from '../graph/tensor/tensor.js'
import type { Judging } from './accuracy/choose-metric.js'
import { signalLimits } from './accuracy/signal.js'
import type { Candidate, CandidateMaker, Recipe } from './candidate.js'
import { addedNoise, compareLayers } from './compare-layers.js'
import type { QuantizeRequest } from './contract.js'
import { evaluate } from './evaluate.js'
import type { Kernels } from './lowering/count-kernels.js'
import type { ActivationMode } from './ranges/affine.js'
import type { RangeEstimatorName } from './ranges/catalog.js'
import type { Judgement } from './report/report.js'
import { seedMode } from './seed-mode.js'
import { openVerified } from './verify-kernels.js'

export interface SearchOptions {
  readonly maker: CandidateMaker
  readonly keepFloat: ReadonlyMap<string, string>
  readonly request: QuantizeRequest
  readonly judging: Judging
  /** Float answers to the first calibration samples. */
  readonly reference: readonly Tensor[]
  readonly output: string
  readonly onProgress: (share: number) => void
}

/** A candidate that was opened and measured. Its session is the caller's to close. */
export interface Chosen {
  readonly candidate: Candidate
  readonly session: Session
  readonly kernels: Kernels
  readonly evaluation: Judgement
  /** Why this scheme and estimator. */
  readonly why: string
  /** Noise over signal per integer operator, by node name. */
  readonly noise: ReadonlyMap<string, number>
  readonly notes: readonly string[]
}

/** Samples on which schemes and estimators are told apart. */
const choiceSamples = 32
/** Samples on which the layers of the two models are compared. */
const layerSamples = 8
/** How many of the noisiest layers are kept float, attempt after attempt. */
const attempts = [1, 2, 4, 8, 16] as const

/**
 * Chooses scheme and estimator by what they do to the output, then keeps the noisiest layers float until the allowed drop holds on the calibration samples.
 * Counts bound it, not the clock: the same request gives the same result.
 */
export async function searchCandidates(options: SearchOptions): Promise<Chosen> {
  const search = new Search(options)
  const { recipe, why } = await search.chooseRecipe()
  return search.keepFloat(recipe, why)
}

class Search {
  readonly #options: SearchOptions
  #done = 0

  constructor(options: SearchOptions) {
    this.#options = options
  }

  async chooseRecipe(): Promise<{ readonly recipe: Recipe; readonly why: string }> {
    const { request, maker, keepFloat } = this.#options
    const { settings } = request
    const seed = seedMode(maker.context.model.graph)
    const modes: readonly ActivationMode[] =
      settings.scheme === 'auto' ? [seed.mode, seed.mode === 'symmetric' ? 'asymmetric' : 'symmetric'] : [settings.scheme]
    const estimators: readonly RangeEstimatorName[] =
      settings.range_estimator === 'auto' ? ['min-max', 'mean-min-max', 'quantile'] : [settings.range_estimator]
    const recipes = estimators.map(estimator => ({ mode: modes[0]!, estimator, keepFloat }))
    const measured = await this.#measureAll(recipes)
    const best = bestOf(measured)
    const others = modes.slice(1).map(mode => ({ ...best.recipe, mode }))
    const other = others.length === 0 ? undefined : (await this.#measureAll(others))[0]!
    const chosen = other !== undefined && isBetter(other.evaluation, best.evaluation) ? other : best
    return { recipe: chosen.recipe, why: reason({ scheme: settings.scheme, seed, best, other, chosen }) }
  }

  async #measureAll(recipes: readonly Recipe[]): Promise<Measured[]> {
    const measured: Measured[] = []
    for (const recipe of recipes) {
      // Nothing to compare with: the only candidate is measured once, in full, later.
      const { bytes } = this.#options.maker.make(recipe)
      const session = await this.#options.request.engine.open(bytes, {
        threads: this.#options.request.settings.threads,
        optimization: 'all',
      })
      measured.push({ recipe, evaluation: await this.#evaluate(session, choiceSamples) })
      await session.close()
    }
    return measured
  }

  async #evaluate(session: Session, count: number): Promise<Judgement> {
    const { request, reference, output, judging, onProgress } = this.#options
    const { samples, settings, signal } = request
    const evaluation = await evaluate({
      session,
      samples,
      reference: reference.slice(0, count),
      output,
      judging,
      settings,
      ...(signal === undefined ? {} : { signal }),
    })
    this.#done += 1
    onProgress(1 - 0.8 ** this.#done)
    return evaluation
  }

  async #open(recipe: Recipe): Promise<{ candidate: Candidate; session: Session; kernels: Kernels }> {
    const { maker, request } = this.#options
    let candidate = maker.make(recipe)
    for (;;) {
      const { session, kernels } = await openVerified(request.engine, candidate.bytes, request.settings.threads)
      const unfused = [...candidate.placement.units.values()].filter(unit => isUnfused(unit.main.name, unit.form, kernels))
      if (unfused.length === 0) return { candidate, session, kernels }
      await session.close()
      const reason = 'the engine found no integer kernel for it here'
      const keepFloat = new Map([...candidate.recipe.keepFloat, ...unfused.map(unit => [unit.main.name, reason] as const)])
      candidate = maker.make({ ...candidate.recipe, keepFloat })
    }
  }

  async keepFloat(recipe: Recipe, why: string): Promise<Chosen> {
    const { request, reference, maker } = this.#options
    const first = await this.#open(recipe)
    let best = { ...first, evaluation: await this.#evaluate(first.session, reference.length) }
    const noise = await compareLayers({
      float: maker.context.model,
      int8: best.candidate.lowered,
      placement: best.candidate.placement,
      samples: request.samples,
      sampleCount: Math.min(layerSamples, reference.length),
      engine: request.engine,
      threads: request.settings.threads,
    })
    const notes: string[] = []
    if (holds(best.evaluation)) return { ...best, why, noise, notes }
    const added = addedNoise(best.candidate.placement, noise)
    const ranked = [...best.candidate.placement.units.values()]
      .filter(unit => unit.form === 'linear' || unit.form === 'dynamic-matmul')
      .map(unit => unit.main.name)
      .sort((a, b) => added.get(b)! - added.get(a)!)
    for (const count of attempts) {
      if (count > ranked.length / 2) break
      const names = ranked.slice(0, count)
      const kept = new Map([
        ...recipe.keepFloat,
        ...names.map(name => [name, 'kept float: among the layers that cost the most accuracy'] as const),
      ])
      const opened = await this.#open({ ...recipe, keepFloat: kept })
      const evaluation = await this.#evaluate(opened.session, reference.length)
      if (isBetter(evaluation, best.evaluation)) {
        await best.session.close()
        best = { ...opened, evaluation }
        notes.splice(0, notes.length, `${count} of ${ranked.length} convolutions and matrix products stay float for accuracy`)
      } else await opened.session.close()
      if (holds(best.evaluation)) break
    }
    return { ...best, why, noise, notes }
  }
}

interface Measured {
  readonly recipe: Recipe
  readonly evaluation: Judgement
}

const isUnfused = (name: string, form: string, { integerNames, floatNames }: Kernels) =>
  (form === 'linear' || form === 'dynamic-matmul') && floatNames.has(name) && !integerNames.has(name)

/** True when the allowed drop holds on what was evaluated, or the signal is kept. */
function holds({ drop, max_drop, snr_db, cosine }: Judgement): boolean {
  return drop === null ? (snr_db ?? 0) >= signalLimits.snrDb && (cosine ?? 0) >= signalLimits.cosine : drop <= max_drop
}

const isBetter = (a: Judgement, b: Judgement): boolean => scoreOf(a) > scoreOf(b)

/** Outputs of several rows (texts, maps) are compared by the share of rows that keep their largest element, all others by their signal. */
function scoreOf({ snr_db, metric, agreement }: Judgement): number {
  return metric === 'text' && agreement !== null ? agreement * 1000 + (snr_db ?? 0) / 1000 : (snr_db ?? Number.NEGATIVE_INFINITY)
}

const bestOf = (measured: readonly Measured[]): Measured =>
  measured.reduce((best, next) => (isBetter(next.evaluation, best.evaluation) ? next : best))

interface ReasonFields {
  readonly scheme: string
  readonly seed: ReturnType<typeof seedMode>
  readonly best: Measured
  readonly other: Measured | undefined
  readonly chosen: Measured
}

function reason({ scheme, seed, best, other, chosen }: ReasonFields): string {
  if (other === undefined) return `${scheme} was asked for`
  const decibels = ({ evaluation }: Measured) => `${evaluation.snr_db?.toFixed(1) ?? '-'} dB`
  const measured = `measured ${best.recipe.mode} ${decibels(best)}, ${other.recipe.mode} ${decibels(other)} against float`
  return chosen === best
    ? `the model suggests ${seed.mode} (${seed.because}), and measuring agrees: ${measured}`
    : `the model suggests ${seed.mode} (${seed.because}), but measuring says ${chosen.recipe.mode}: ${measured}`
}
