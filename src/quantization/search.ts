import type { Session } from '../engines/engine.js'
import type { Tensor } from '../graph/tensor/tensor.js'
import type { DeviceSpec } from '../hardware/device-spec.js'
import type { Judging } from './accuracy/choose-metric.js'
import { signalLimits } from './accuracy/signal.js'
import { chooseShrink } from './algorithms/choose-shrink.js'
import type { Candidate, CandidateMaker, Recipe } from './candidate.js'
import { addedNoise, compareLayers } from './compare-layers.js'
import type { QuantizeRequest } from './contract.js'
import { coverageFloor, coverageOf } from './coverage.js'
import { type Evaluation, evaluate } from './evaluate.js'
import type { Kernels } from './lowering/count-kernels.js'
import type { Placement } from './placement/placement.js'
import type { ActivationMode } from './ranges/affine.js'
import { type RangeEstimatorName, rangeEstimator } from './ranges/catalog.js'
import type { Judgement } from './report/report.js'
import { seedMode } from './seed-mode.js'
import type { QuantizeSettings } from './settings.js'
import { openVerified } from './verify-kernels.js'

export interface SearchOptions {
  readonly maker: CandidateMaker
  readonly keepFloat: ReadonlyMap<string, string>
  readonly request: QuantizeRequest
  readonly judging: Judging
  /** Float answers to the first calibration samples. */
  readonly reference: readonly Tensor[]
  readonly output: string
  /** Samples per run (`batchSize`). */
  readonly batch: number
  readonly onProgress: (share: number) => void
}

/** A candidate that was opened and measured. Its session is the caller's to close. */
export interface Chosen {
  readonly candidate: Candidate
  readonly session: Session
  readonly kernels: Kernels
  readonly evaluation: Evaluation
  /** Why this scheme and estimator. */
  readonly why: string
  /** Noise over signal per integer operator, by node name. */
  readonly noise: ReadonlyMap<string, number>
  readonly notes: readonly string[]
}

/** Samples that tell whether int8 is close to lossless. */
const firstSamples = 48
/** Samples on which the factors of an estimator that shrinks ranges are chosen. */
const shrinkSamples = 6
/** Samples on which the layers of the two models are compared. */
const layerSamples = 8
/** How many of the noisiest layers are kept float, attempt after attempt. */
const attempts = [1, 2, 4, 8] as const

/**
 * Chooses scheme and estimator by what they do to the output, then keeps the noisiest layers float until the allowed drop holds on the calibration samples.
 * Counts bound it, not the clock: the same request gives the same result.
 */
export async function searchCandidates(options: SearchOptions): Promise<Chosen> {
  const search = new Search(options)
  return search.keepFloat(await search.chooseRecipe())
}

/** A candidate that is open and measured. */
interface Opened {
  readonly candidate: Candidate
  readonly session: Session
  readonly kernels: Kernels
  readonly evaluation: Evaluation
}

class Search {
  readonly #options: SearchOptions
  /** The target is another kind of processor than this one: what fuses here says nothing of it. */
  readonly #foreign: boolean
  #done = 0

  constructor(options: SearchOptions) {
    this.#options = options
    const { architecture } = options.request.spec.match
    this.#foreign = architecture !== undefined && architecture !== process.arch
  }

  /** Scheme as the model suggests it with each estimator, then the other scheme with the best of them; ends early where int8 is close to lossless. */
  async chooseRecipe(): Promise<Opened & { readonly why: string }> {
    const { request, maker, keepFloat } = this.#options
    const scheme = schemeOf(request.settings)
    const seed = seedMode(maker.context.model.graph)
    const modes = scheme === 'auto' ? schemesOf(request.spec, seed.mode) : [scheme]
    const estimators: readonly RangeEstimatorName[] =
      request.settings.range_estimator === 'auto'
        ? ['min-max', 'quantile', 'mean-min-max', 'mean-quantile']
        : [request.settings.range_estimator]
    let best: Opened | undefined
    for (const estimator of estimators) {
      best = await this.#better(best, await this.#recipe({ mode: modes[0]!, estimator, keepFloat }))
      if (isNearlyLossless(best.evaluation)) break
    }
    const first = best!
    const other = modes[1]
    if (other === undefined)
      return { ...first, why: scheme === 'auto' ? `the device takes ${modes[0]} activations only` : `${scheme} was asked for` }
    const suggestion = `the model suggests ${seed.mode} (${seed.because})`
    if (isNearlyLossless(first.evaluation)) return { ...first, why: `${suggestion}, and that keeps ${decibels(first.evaluation)}` }
    const measured = await this.#open(await this.#recipe({ ...first.candidate.recipe, mode: other }))
    const figures = `${seed.mode} ${decibels(first.evaluation)}, ${other} ${decibels(measured.evaluation)} against float`
    if (!isBetter(measured.evaluation, first.evaluation)) {
      await measured.session.close()
      return { ...first, why: `${suggestion}, and measuring agrees: ${figures}` }
    }
    await first.session.close()
    return { ...measured, why: `${suggestion}, but measuring says ${other}: ${figures}` }
  }

  /** The better of an open candidate and one that `recipe` makes; the other one is closed. */
  async #better(best: Opened | undefined, recipe: Recipe): Promise<Opened> {
    const opened = await this.#open(recipe)
    if (best === undefined) return opened
    const wins = isBetter(opened.evaluation, best.evaluation)
    await (wins ? best : opened).session.close()
    return wins ? opened : best
  }

  /** The recipe with its factors, where its estimator has any. */
  async #recipe(recipe: Recipe): Promise<Recipe> {
    const estimator = rangeEstimator(recipe.estimator)
    if (estimator.shrink === undefined) return recipe
    const { maker, request, reference } = this.#options
    const { model, statistics } = maker.context
    const { samples, settings, engine, signal } = request
    const shrink = await chooseShrink({
      model,
      placement: maker.place(recipe.keepFloat),
      statistics,
      estimator,
      mode: recipe.mode,
      samples,
      sampleCount: Math.min(shrinkSamples, reference.length),
      engine,
      threads: settings.threads,
      ...(signal === undefined ? {} : { signal }),
    })
    return { ...recipe, shrink }
  }

  /** On the first samples, and on all where those leave a doubt. */
  async #evaluate(session: Session): Promise<Evaluation> {
    const { reference } = this.#options
    const first = await this.#evaluateOn(session, reference.slice(0, firstSamples))
    return isNearlyLossless(first) || reference.length <= firstSamples ? first : this.#evaluateOn(session, reference)
  }

  async #evaluateOn(session: Session, reference: readonly Tensor[]): Promise<Evaluation> {
    const { request, output, batch, judging, onProgress } = this.#options
    const { samples, settings, signal } = request
    const evaluation = await evaluate({
      session,
      samples,
      reference,
      output,
      batch,
      judging,
      settings,
      ...(signal === undefined ? {} : { signal }),
    })
    this.#done += 1
    onProgress(1 - 0.8 ** this.#done)
    return evaluation
  }

  /** Makes, opens and measures a candidate. Products that the engine runs in float after all are made float in the candidate, and it is opened anew. */
  async #open(recipe: Recipe): Promise<Opened> {
    const { maker, request } = this.#options
    let candidate = maker.make(recipe)
    for (;;) {
      const { session, kernels } = await openVerified(request.engine, candidate.bytes, request.settings.threads)
      const unfused = this.#foreign
        ? []
        : [...candidate.placement.units.values()].filter(unit => isUnfused(unit.main.name, unit.form, kernels))
      if (unfused.length === 0) return { candidate, session, kernels, evaluation: await this.#evaluate(session) }
      await session.close()
      const reason = 'the engine found no integer kernel for it here'
      const keepFloat = new Map([...candidate.recipe.keepFloat, ...unfused.map(unit => [unit.main.name, reason] as const)])
      candidate = maker.make({ ...candidate.recipe, keepFloat })
    }
  }

  /**
   * The noisiest layers float, more and more of them, until the allowed drop holds on the evaluation samples. When it does not with all attempts, or too little
   * would be integer, no layer is kept float: it would cost time and not save the model.
   */
  async keepFloat({ why, ...first }: Opened & { readonly why: string }): Promise<Chosen> {
    const noise = await this.#layerNoise(first.candidate)
    const notes = this.#foreign ? [`made on ${process.arch} for another processor: which kernels it gets there was not seen`] : []
    if (holds(first.evaluation)) return { ...first, why, noise, notes }
    const ranked = this.#rankedByNoise(first.candidate, noise)
    const { recipe } = first.candidate
    for (const count of attempts) {
      const names = largestSet(first.candidate.placement, ranked, count)
      const reason = 'kept float: among the layers that cost the most accuracy'
      const keepFloat = new Map([...recipe.keepFloat, ...names.map(name => [name, reason] as const)])
      const opened = await this.#open({ ...recipe, keepFloat })
      if (holds(opened.evaluation)) {
        await first.session.close()
        return {
          ...opened,
          why,
          noise,
          notes: [...notes, `${names.length} of ${ranked.length} convolutions and matrix products stay float for accuracy`],
        }
      }
      await opened.session.close()
      if (names.length < count) break
    }
    return { ...first, why, noise, notes }
  }

  /** Names of the products, those first that add the most noise. */
  #rankedByNoise({ placement }: Candidate, noise: ReadonlyMap<string, number>): readonly string[] {
    const added = addedNoise(placement, noise)
    return [...added.keys()].sort((a, b) => added.get(b)! - added.get(a)!)
  }

  #layerNoise({ lowered, placement }: Candidate): Promise<Map<string, number>> {
    const { maker, request, reference, batch } = this.#options
    return compareLayers({
      float: maker.context.model,
      int8: lowered,
      placement,
      samples: request.samples,
      sampleCount: Math.min(layerSamples, reference.length),
      batch,
      engine: request.engine,
      threads: request.settings.threads,
    })
  }
}

/** Schemes that the device takes for the inputs of its products, the likely one first. */
function schemesOf({ ops, quantizers }: DeviceSpec, likely: ActivationMode): readonly ActivationMode[] {
  const allowed = new Set(['Conv', 'Gemm', 'MatMul'].flatMap(op => ops[op]?.activations ?? []).map(name => quantizers[name]!.mode))
  const other: ActivationMode = likely === 'symmetric' ? 'asymmetric' : 'symmetric'
  const modes = [likely, other].filter(mode => allowed.has(mode))
  return modes.length === 0 ? [likely] : modes
}

/** `performance` is symmetric, `mixed` and `accuracy` are asymmetric (quantization.md 2.5); a scheme that is named wins over the preset. */
function schemeOf({ scheme, preset }: QuantizeSettings): QuantizeSettings['scheme'] {
  if (scheme !== 'auto' || preset === 'auto') return scheme
  return preset === 'performance' ? 'symmetric' : 'asymmetric'
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

/** Signal at which trying on is not worth its time: noise of 3 % of the amplitude. */
const nearlyLosslessDb = 30

const isNearlyLossless = (evaluation: Evaluation): boolean => (evaluation.snr_db ?? 0) >= nearlyLosslessDb && holds(evaluation)

const decibels = ({ snr_db }: Judgement) => `${snr_db?.toFixed(1) ?? '-'} dB`

const isUnfused = (name: string, form: string, { integerNames, floatNames }: Kernels) =>
  (form === 'linear' || form === 'dynamic-matmul') && floatNames.has(name) && !integerNames.has(name)

/** True when the allowed drop holds on what was evaluated, or the signal is kept. */
function holds({ drop, max_drop, snr_db, cosine }: Judgement): boolean {
  return drop === null ? (snr_db ?? 0) >= signalLimits.snrDb && (cosine ?? 0) >= signalLimits.cosine : drop <= max_drop
}

/** What a candidate must gain over an earlier, simpler one: decibels, or characters in a thousand. */
const leastGain = 0.2

const isBetter = (a: Evaluation, b: Evaluation): boolean => scoreOf(a) > scoreOf(b) + leastGain

/** Readers of text are compared by the characters that they read alike, in a thousand, all others by their signal in dB. */
function scoreOf({ snr_db, textCloseness }: Evaluation): number {
  return textCloseness === undefined ? (snr_db ?? Number.NEGATIVE_INFINITY) : textCloseness * 1000 + (snr_db ?? 0) / 1000
}
