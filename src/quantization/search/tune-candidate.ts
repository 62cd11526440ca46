import { monotonicMs } from '../../time.js'
import { correctBiases } from '../algorithms/full-bias-correction.js'
import { tuneLayers } from '../algorithms/layer-tuning.js'
import { tuneRanges } from '../algorithms/range-tuning.js'
import type { TunedLayers } from '../algorithms/tuned-layers.js'
import type { WalkOptions } from '../algorithms/walk-layers.js'
import type { Recipe } from '../candidate.js'
import { cheapNoisyLayers, forecastGain } from '../cheap-layers.js'
import { coverageFloorOf } from '../coverage.js'
import type { AlgorithmEntry } from '../report/report.js'
import type { QuantizeSettings } from '../settings.js'
import { recipeFor } from './choose-recipe.js'
import { layerNoise } from './keep-float.js'
import type { CandidateOpener, Opened } from './open-candidates.js'
import { decibels, isBetter, isNearlyLossless } from './score.js'

export interface TuneCandidateOptions {
  readonly opener: CandidateOpener
  readonly start: Opened
  /** Everything that is switched to `auto` is tried. */
  readonly thorough: boolean
  /** The accuracy-aware pipeline reverts layers itself, last of all. */
  readonly pipeline: QuantizeSettings['pipeline']
}

export interface TunedCandidate {
  readonly best: Opened
  readonly entries: readonly AlgorithmEntry[]
}

/** How many of the cheapest noisy layers are kept float, one attempt after the other; up to the first that gains nothing unless everything is tried. */
const cheapCounts = [1, 2, 4] as const
/** Signal from which on no layer is worth its conversions any more: noise of 1.6 % of the amplitude. */
const ampleDb = 36
/** Decibels that a layer in float must gain to be worth its conversions. */
const floatGain = 1

/**
 * What can still be gained on a chosen recipe: layers that cost next to nothing in float, ranges of activations, rounding and steps of weights, means; each is
 * kept where it is measured to be better, or where it was asked for. Losers are closed.
 */
export async function tuneCandidate({ opener, start, thorough, pipeline }: TuneCandidateOptions): Promise<TunedCandidate> {
  const tuner = new Tuner(opener, start, thorough)
  await tuner.fastBiasCorrection()
  if (pipeline === 'default') await tuner.cheapLayers()
  await tuner.ranges()
  await tuner.layers()
  await tuner.fullBiasCorrection()
  return { best: tuner.best, entries: tuner.entries }
}

/** `entries` with what fast bias correction gained, where nobody has measured that on the way: the chosen candidate without it, for the report. */
export async function withBiasGain(
  opener: CandidateOpener,
  chosen: Opened,
  entries: readonly AlgorithmEntry[],
): Promise<readonly AlgorithmEntry[]> {
  const entry = entries.find(({ name, state, gain_db }) => name === fastBias && state === 'applied' && gain_db === null)
  if (entry === undefined) return entries
  const since = monotonicMs()
  const without = await opener.open(chosen.maker, { ...chosen.candidate.recipe, biasCorrection: 'off' })
  await without.session.close()
  const measured: AlgorithmEntry = {
    ...entry,
    sentence: `${decibels(without.evaluation)} without it, ${decibels(chosen.evaluation)} with it`,
    gain_db: gainOf(without, chosen),
    seconds: Math.round(monotonicMs() - since) / 1000,
  }
  return entries.map(each => (each === entry ? measured : each))
}

const fastBias = 'fast bias correction'

class Tuner {
  readonly entries: AlgorithmEntry[] = []
  readonly #opener: CandidateOpener
  readonly #thorough: boolean
  best: Opened

  constructor(opener: CandidateOpener, start: Opened, thorough: boolean) {
    this.#opener = opener
    this.best = start
    this.#thorough = thorough
  }

  /** It is in the recipe already: what it gained is measured by leaving it out. */
  async fastBiasCorrection(): Promise<void> {
    const since = monotonicMs()
    const { recipe } = this.best.candidate
    if (recipe.biasCorrection === 'off') return this.#note(fastBias, since, { state: 'off', sentence: 'switched off' })
    if (!this.#thorough) {
      const sentence = 'in every layer with weights'
      return this.#note(fastBias, since, { state: 'applied', sentence })
    }
    const without = await this.#opener.open(this.best.maker, { ...recipe, biasCorrection: 'off' })
    const figures = `${decibels(without.evaluation)} without it, ${decibels(this.best.evaluation)} with it`
    const gain_db = gainOf(without, this.best)
    if (isBetter(without.evaluation, this.best.evaluation)) {
      await this.best.session.close()
      this.best = without
      return this.#note(fastBias, since, { state: 'withdrawn', sentence: `measured to be worse: ${figures}`, gain_db })
    }
    await without.session.close()
    this.#note(fastBias, since, { state: 'applied', sentence: figures, gain_db })
  }

  async cheapLayers(): Promise<void> {
    const name = 'cheap layers kept float'
    const since = monotonicMs()
    const before = this.best
    if ((before.evaluation.snr_db ?? 0) >= ampleDb || (!this.#thorough && isNearlyLossless(before.evaluation))) {
      return this.#note(name, since, { state: 'not needed', sentence: `int8 is at ${decibels(before.evaluation)} without it` })
    }
    const { placement, recipe } = before.candidate
    const noise = await layerNoise(this.#opener, before)
    const ranked = cheapNoisyLayers({ placement, noise, floor: coverageFloorOf(placement.layers) })
    if (ranked.length === 0) return this.#note(name, since, { state: 'nothing to do', sentence: 'no layer is both cheap and noisy' })
    const forecast = forecastGain(placement, noise, ranked[0]!)
    if (!this.#thorough && forecast < floatGain / 2) {
      const sentence = `the first of ${ranked.length} adds too little of the noise to gain ${floatGain} dB (${forecast.toFixed(1)} dB by estimate)`
      return this.#note(name, since, { state: 'not needed', sentence })
    }
    const reason = 'kept float: it costs next to nothing there and adds more noise than its share'
    let kept: readonly string[] = []
    for (const count of cheapCounts) {
      if (count > ranked.length) break
      const names = ranked.slice(0, count)
      const keepFloat = new Map([...recipe.keepFloat, ...names.map(node => [node, reason] as const)])
      const opened = await this.#opener.open(before.maker, await recipeFor(this.#opener, before.maker, { ...recipe, keepFloat }))
      const gained = gainOf(this.best, opened)
      const wins = gained >= floatGain && isBetter(opened.evaluation, this.best.evaluation)
      await (wins ? this.best : opened).session.close()
      if (wins) {
        this.best = opened
        kept = names
      } else if (!this.#thorough) break
    }
    const figures = `${decibels(before.evaluation)} without it, ${decibels(this.best.evaluation)} with it`
    if (kept.length === 0)
      return this.#note(name, since, { state: 'withdrawn', sentence: `the first of ${ranked.length} do not gain ${floatGain} dB` })
    this.#note(name, since, {
      state: 'applied',
      sentence: figures,
      gain_db: gainOf(before, this.best),
      changes: kept.map(node => `${node} stays float`),
    })
  }

  async ranges(): Promise<void> {
    const { maker, candidate } = this.best
    await this.#tune('range tuning', async () => ({
      name: 'range tuning',
      weights: new Map(),
      biases: new Map(),
      ranges: await tuneRanges({
        ...this.#walk(),
        statistics: maker.context.basis.statistics,
        mode: candidate.recipe.mode,
        scales: maker.context.target.scales,
      }),
    }))
  }

  async layers(): Promise<void> {
    const { maker, candidate } = this.best
    const before = candidate.recipe.tuned
    await this.#tune('layer tuning', async () => {
      const tuned = await tuneLayers({ ...this.#walk(), weights: candidate.weights, weightRange: maker.context.weightRange })
      return { ...tuned, ...joined(before, 'layer tuning') }
    })
  }

  /** Layer tuning corrects the means as well: asked for by itself, or where that was no better. */
  async fullBiasCorrection(): Promise<void> {
    const name = 'full bias correction'
    const since = monotonicMs()
    const wanted = this.#opener.options.request.settings.bias_correction
    const { candidate } = this.best
    const before = candidate.recipe.tuned
    if (wanted === 'off' || wanted === 'fast') return this.#note(name, since, { state: 'off', sentence: `${wanted} was asked for` })
    if ((before?.biases.size ?? 0) > 0)
      return this.#note(name, since, { state: 'not needed', sentence: 'layer tuning has corrected the means' })
    if (wanted === 'auto' && !this.#thorough)
      return this.#note(name, since, { state: 'not needed', sentence: 'left to the preset accuracy' })
    await this.#keep(name, since, wanted === 'full', async () => ({
      weights: before?.weights ?? new Map(),
      biases: await correctBiases({ ...this.#walk(), weights: candidate.weights }),
      ...joined(before, name),
    }))
  }

  async #tune(name: string, make: () => Promise<TunedLayers>): Promise<void> {
    const since = monotonicMs()
    const wanted = this.#opener.options.request.settings.layer_tuning
    if (wanted === 'off') return this.#note(name, since, { state: 'off', sentence: 'switched off' })
    if (wanted === 'auto' && !this.#thorough)
      return this.#note(name, since, { state: 'not needed', sentence: 'left to the preset accuracy' })
    await this.#keep(name, since, wanted === 'on', make)
  }

  /** The candidate with what `make` gives, in place of the best one where it is better or was asked for. */
  async #keep(name: string, since: number, asked: boolean, make: () => Promise<TunedLayers>): Promise<void> {
    const before = this.best
    const recipe: Recipe = { ...before.candidate.recipe, tuned: await make() }
    const opened = await this.#opener.open(before.maker, recipe)
    const figures = `${decibels(before.evaluation)} without it, ${decibels(opened.evaluation)} with it`
    const gain_db = gainOf(before, opened)
    const wins = asked || isBetter(opened.evaluation, before.evaluation)
    await (wins ? before : opened).session.close()
    if (wins) this.best = opened
    this.#note(
      name,
      since,
      wins
        ? { state: 'applied', sentence: figures, gain_db }
        : { state: 'withdrawn', sentence: `measured to be no better: ${figures}`, gain_db },
    )
  }

  #walk(): WalkOptions {
    const { request, batch } = this.#opener.options
    const { maker, candidate } = this.best
    const { model, shapes } = maker.context.basis
    const { settings, engine, signal } = request
    const { reserve } = this.#opener
    return {
      model,
      shapes,
      lowered: candidate.lowered,
      placement: candidate.placement,
      samples: reserve,
      sampleCount: reserve.count,
      batch,
      engine,
      threads: settings.threads,
      ...(signal === undefined ? {} : { signal }),
    }
  }

  #note(name: string, since: number, fields: Pick<AlgorithmEntry, 'state' | 'sentence'> & Partial<AlgorithmEntry>): void {
    this.entries.push({ name, gain_db: null, changes: [], ...fields, seconds: Math.round(monotonicMs() - since) / 1000 })
  }
}

/** Ranges that were tuned before stay; the name in the report tells both. */
function joined(before: TunedLayers | undefined, name: string): Pick<TunedLayers, 'name' | 'ranges'> {
  return {
    name: before === undefined ? name : `${before.name}, ${name}`,
    ...(before?.ranges === undefined ? {} : { ranges: before.ranges }),
  }
}

const gainOf = (before: Opened, after: Opened): number =>
  Math.round(100 * ((after.evaluation.snr_db ?? 0) - (before.evaluation.snr_db ?? 0))) / 100
