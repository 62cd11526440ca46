import { subset } from '../../samples/split.js'
import { monotonicMs } from '../../time.js'
import type { FloatAlgorithm } from '../algorithms/float-algorithm.js'
import { type AppliedAlgorithm, type Basis, type ObserveBasis, observeBasis } from '../basis.js'
import { CandidateMaker } from '../candidate.js'
import type { Evaluation } from '../evaluate.js'
import type { AlgorithmEntry } from '../report/report.js'
import { spread } from '../statistics/collect-histograms.js'
import { macsOf, recipeFor, smallMacs } from './choose-recipe.js'
import type { CandidateOpener, Opened } from './open-candidates.js'
import { decibels, isBetter, isNearlyLossless } from './score.js'

/** A float algorithm with the switch that the settings have for it. */
export interface SwitchedAlgorithm {
  readonly algorithm: FloatAlgorithm
  readonly wanted: 'auto' | 'on' | 'off'
  /** Exponents to try; one for algorithms that have none. */
  readonly alphas: readonly number[]
}

export interface TryAlgorithmsOptions {
  readonly opener: CandidateOpener
  readonly observing: ObserveBasis
  readonly algorithms: readonly SwitchedAlgorithm[]
  /** Try also where int8 is nearly lossless already. */
  readonly thorough: boolean
  /** The candidate of the float model as it is. */
  readonly start: Opened
}

export interface TriedAlgorithms {
  readonly best: Opened
  readonly entries: readonly AlgorithmEntry[]
}

/**
 * Samples that tell what an algorithm gains, at most and at least, and multiply-adds that they may take: large models have large maps, of which few say as much.
 * What is kept is observed on all, unless there were as many as that and all would take long.
 */
const trial = { most: 64, least: 16, macs: 4e9 }

/**
 * Float algorithms one after the other, each on what those before it left: kept where the output is measured to be closer to float, or where it was asked for.
 * Candidates that lose are closed; what is kept in the end is observed on all samples where the trial had few.
 */
export async function tryAlgorithms(options: TryAlgorithmsOptions): Promise<TriedAlgorithms> {
  const { opener, observing, algorithms, thorough, start } = options
  const entries: AlgorithmEntry[] = []
  const trialSamples = Math.min(observing.sampleCount, trialSamplesOf(start))
  // Enough to keep what was observed of them, on a model that all samples take long to run through.
  const isAmple = trialSamples >= Math.min(trial.most, observing.sampleCount) && macsOf(start) >= smallMacs
  const trying = isAmple ? onEvenly(observing, trialSamples) : { ...observing, sampleCount: trialSamples }
  let best = start
  for (const { algorithm, wanted, alphas } of algorithms) {
    const since = monotonicMs()
    const entry = (state: AlgorithmEntry['state'], sentence: string, more: Partial<AlgorithmEntry> = {}): void => {
      entries.push({
        name: algorithm.name,
        state,
        sentence,
        gain_db: null,
        changes: [],
        ...more,
        seconds: Math.round(monotonicMs() - since) / 1000,
      })
    }
    if (wanted === 'off') {
      entry('off', 'switched off')
      continue
    }
    if (wanted === 'auto' && !thorough && isNearlyLossless(best.evaluation)) {
      entry('not needed', `int8 is at ${decibels(best.evaluation)} without it`)
      continue
    }
    const done = algorithm.sparedBy?.find(name => best.maker.context.basis.applied.some(applied => applied.name === name))
    if (wanted === 'auto' && !thorough && done !== undefined) {
      entry('not needed', `${done} has evened out what it would`)
      continue
    }
    const before = best
    let tried: Opened | undefined
    for (const alpha of alphas) {
      const basis = await rebalanced(before.maker.context.basis, { ...trying, algorithm, alpha })
      if (basis === undefined) break
      const maker = new CandidateMaker({ ...before.maker.context, basis })
      const opened = await opener.open(maker, await recipeFor(opener, maker, before.candidate.recipe))
      if (tried !== undefined && !isBetter(opened.evaluation, tried.evaluation)) {
        await opened.session.close()
        continue
      }
      await tried?.session.close()
      tried = opened
    }
    if (tried === undefined) {
      entry('nothing to do', 'no place in the model has its pattern')
      continue
    }
    const gain = round((tried.evaluation.snr_db ?? 0) - (before.evaluation.snr_db ?? 0))
    const figures = `${decibels(before.evaluation)} without it, ${decibels(tried.evaluation)} with it`
    const made = tried.maker.context.basis.applied.at(-1)!.changes
    const changed = { changes: made.map(({ what }) => what), places: made.map(({ nodes }) => [...nodes]) }
    if (wanted === 'on' || (isBetter(tried.evaluation, before.evaluation) && (isAmple || isWorthMore(tried.evaluation, gain)))) {
      if (before !== start) await before.session.close()
      best = tried
      const of = isAmple && trying.sampleCount < observing.sampleCount ? `, observed on ${trying.sampleCount} of the samples` : ''
      entry('applied', `${figures}${of}`, { gain_db: gain, ...changed })
    } else {
      await tried.session.close()
      entry('withdrawn', `measured to be no better: ${figures}`, { gain_db: gain, ...changed })
    }
  }
  if (best === start) return { best, entries }
  await start.session.close()
  if (isAmple) return { best, entries }
  await best.session.close()
  const { model, applied, shapes } = best.maker.context.basis
  const basis = await observeBasis(model, { ...observing, applied, before: shapes })
  const maker = new CandidateMaker({ ...best.maker.context, basis })
  return { best: await opener.open(maker, await recipeFor(opener, maker, best.candidate.recipe)), entries }
}

/** On samples taken evenly, so that what they have in common is that of all. */
function onEvenly(observing: ObserveBasis, wanted: number): ObserveBasis {
  if (wanted >= observing.sampleCount) return observing
  const samples = subset(observing.request.samples, spread(observing.sampleCount, wanted))
  return { ...observing, request: { ...observing.request, samples }, sampleCount: samples.count }
}

/** Decibels below which a gain on a few samples is as likely one of the choice of the samples, and not worth a look at all of them. */
const leastOnFew = 1

/** Readers of text are compared by what they read. */
const isWorthMore = ({ textCloseness }: Evaluation, gain: number): boolean => textCloseness !== undefined || gain >= leastOnFew

const trialSamplesOf = (start: Opened): number =>
  Math.min(trial.most, Math.max(trial.least, Math.floor(trial.macs / Math.max(1, macsOf(start)))))

/** `basis` after `algorithm`, observed on the trial samples; undefined where the algorithm finds nothing to do. */
async function rebalanced(
  basis: Basis,
  { algorithm, alpha, ...observing }: ObserveBasis & { readonly algorithm: FloatAlgorithm; readonly alpha: number },
): Promise<Basis | undefined> {
  const channels = algorithm.wanted(basis.model, basis.shapes)
  const observed =
    channels.length === 0
      ? new Map()
      : (await observeBasis(basis.model, { ...observing, applied: basis.applied, channels, before: basis.shapes })).statistics.channels
  const { model, changes } = algorithm.apply({ model: basis.model, shapes: basis.shapes, channels: observed, alpha })
  if (changes.length === 0) return undefined
  const applied: readonly AppliedAlgorithm[] = [...basis.applied, { name: algorithm.name, changes }]
  return observeBasis(model, { ...observing, applied, before: basis.shapes })
}

const round = (value: number) => Math.round(100 * value) / 100
