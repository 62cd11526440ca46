import type { DeviceSpec } from '../../hardware/device-spec.js'
import type { SampleSource } from '../../samples/sample.js'
import { floatAlgorithms } from '../algorithms/catalog.js'
import type { ObserveBasis } from '../basis.js'
import type { CandidateMaker } from '../candidate.js'
import type { OnProgress } from '../contract.js'
import type { AlgorithmEntry, AwareEntry, CandidateEntry } from '../report/report.js'
import type { QuantizeSettings } from '../settings.js'
import { chooseRecipe, earlyEstimator, isThorough, recipeFor, schemesFor } from './choose-recipe.js'
import { keepNoisiestFloat, type Settled } from './keep-float.js'
import { CandidateOpener, type OpenOptions, type Verified } from './open-candidates.js'
import { preferSymmetric } from './prefer-symmetric.js'
import { reachDemands } from './reach-demands.js'
import { type SwitchedAlgorithm, tryAlgorithms } from './try-algorithms.js'
import { tuneCandidate, withBiasGain } from './tune-candidate.js'

export interface SearchOptions extends OpenOptions {
  readonly maker: CandidateMaker
  readonly observing: ObserveBasis
  /** What accuracy-aware steps are held to; absent = the default pipeline. */
  readonly tuning?: SampleSource
  readonly onStage?: OnProgress
}

/** The candidate that won, open, and how it came about. Its session is the caller's to close. */
export interface Chosen extends Settled, Verified {
  /** Why this scheme and estimator. */
  readonly why: string
  /** What each step did; what only the report wants to know is measured when it is asked for. */
  readonly algorithms: () => Promise<readonly AlgorithmEntry[]>
  readonly aware?: AwareEntry
  readonly candidates: readonly CandidateEntry[]
}

/**
 * Chooses by what is measured at the output: float algorithms, then estimator and scheme (an estimator that does
 * without them spares them), then tuning layer by layer, then layers that stay float until the allowed drop holds on the
 * calibration samples. Where int8 is nearly lossless the search ends early. Counts bound it, not the clock: the same request gives the same result.
 */
export async function searchCandidates({ maker, observing, tuning, onStage, ...options }: SearchOptions): Promise<Chosen> {
  const opener = new CandidateOpener(options)
  const { settings, spec } = options.request
  const thorough = isThorough(settings)
  // Tune first, revert last (quantization.md 4.8): whatever moves no layer to float is tried before layers are ranked.
  const tunesFirst = thorough || settings.pipeline === 'accuracy-aware'
  const schemes = schemesFor(settings, spec, maker.context.basis)
  const plain = await recipeFor(opener, maker, {
    mode: schemes.modes[0]!,
    estimator: schemes.estimators[0]!,
    keepFloat: observing.keepFloat,
    biasCorrection: settings.bias_correction === 'off' ? 'off' : 'fast',
  })
  const start = await opener.open(maker, plain)
  const early = await earlyEstimator({ opener, schemes, start, thorough: tunesFirst })
  const tried = await tryAlgorithms({
    opener,
    observing,
    algorithms: switchedAlgorithms(settings, observing),
    thorough: tunesFirst,
    start: early.best,
  })
  const sameBasis = tried.best === start
  const measured = await chooseRecipe({
    opener,
    schemes,
    start: tried.best,
    thorough: tunesFirst,
    ...(sameBasis ? { known: early.known } : { isRebalanced: true }),
  })
  const { why, ...recipe } = await preferSymmetric({ opener, schemes, start: measured })
  const tuned = await tuneCandidate({ opener, start: recipe, thorough, pipeline: settings.pipeline })
  const reached =
    tuning === undefined
      ? await keepNoisiestFloat(opener, tuned.best)
      : await reachDemands({ opener, schemes, start: tuned.best, tuning, ...(onStage === undefined ? {} : { onProgress: onStage }) })
  const settled = { ...reached, ...(await opener.verified(reached)) }
  const notes = opener.foreign ? [foreignNote(spec)] : unseenNotes(settled, options.request)
  return {
    ...settled,
    why,
    algorithms: async () => [...tried.entries, ...(await withBiasGain(opener, settled, tuned.entries))],
    candidates: opener.entries(settled.candidate),
    notes: [...notes, ...settled.notes],
  }
}

function foreignNote({ name, engine }: DeviceSpec): string {
  return engine === 'onnxruntime'
    ? `made on ${process.arch} for another processor: which kernels it gets there was not seen`
    : `accuracy is that of an emulation on ONNX Runtime: ${name} was not there to answer`
}

/** Layers that the target runs inside of other nodes, whose kernels it does not name one by one. */
function unseenNotes({ candidate, kernels }: Verified, { target }: OpenOptions['request']): string[] {
  if (target === undefined) return []
  const unseen = [...candidate.placement.units.values()]
    .filter(({ main, form }) => (form === 'linear' || form === 'dynamic-matmul') && !kernels.integerNames.has(main.name))
    .map(({ main }) => `'${main.name}'`)
  return unseen.length === 0
    ? []
    : [`${target.engine.name} runs inside of other nodes, without a kernel of their own: ${unseen.join(', ')}`]
}

/** Exponents of SmoothQuant that `auto` tries (quantization.md 4.6, 4.8). */
const alphas = [0.5, 0.75, 0.95] as const

/** Rebalancing would move weights and ranges that the model brought along away from what was trained. */
function switchedAlgorithms(settings: QuantizeSettings, { given }: ObserveBasis): SwitchedAlgorithm[] {
  const exponents = settings.smooth_alpha === 'auto' ? alphas : [settings.smooth_alpha]
  return floatAlgorithms.map(algorithm => ({
    algorithm,
    wanted: given === undefined ? settings[algorithm.name] : 'off',
    alphas: algorithm.name === 'smooth_quant' ? exponents : [0],
  }))
}
