import type { Session } from '../../engines/engine.js'
import { elementCount, type Tensor } from '../../graph/tensor/tensor.js'
import { collectGarbage } from '../../process/memory.js'
import type { SampleSource } from '../../samples/sample.js'
import type { Judging } from '../accuracy/choose-metric.js'
import type { Basis } from '../basis.js'
import type { Candidate, CandidateMaker, Recipe } from '../candidate.js'
import type { QuantizeRequest, TargetEngine } from '../contract.js'
import { type Evaluation, evaluate } from '../evaluate.js'
import type { Kernels } from '../lowering/count-kernels.js'
import { openOnTarget, seenKernels } from '../open-on-target.js'
import type { Form, Unit } from '../placement/unit.js'
import type { Histogram } from '../ranges/histogram-counts.js'
import type { CandidateEntry } from '../report/report.js'
import { collectHistograms } from '../statistics/collect-histograms.js'
import { observeQuantiles } from '../statistics/observe-quantiles.js'
import type { Statistics } from '../statistics/statistics.js'
import { targetOf } from '../target.js'
import { type OpenedCandidate, openVerified } from '../verify-kernels.js'
import { isNearlyLossless } from './score.js'
import { tuningReserve } from './tuning-reserve.js'

/** A candidate that was opened and measured. Its session is open until the next one is; whoever keeps the candidate asks for it again (`verified`). */
export interface Opened {
  readonly maker: CandidateMaker
  readonly candidate: Candidate
  readonly session: Session
  readonly evaluation: Evaluation
}

/** One whose kernels were looked at: what its placement calls integer is integer. */
export interface Verified extends Opened {
  readonly kernels: Kernels
}

export interface OpenOptions {
  readonly request: QuantizeRequest
  readonly judging: Judging
  /** Float answers to the first calibration samples. */
  readonly reference: readonly Tensor[]
  readonly output: string
  /** Samples per run (`batchSize`). */
  readonly batch: number
  readonly onProgress: (share: number) => void
}

/** Samples that tell whether int8 is close to lossless, at most; and values of the output that do, but not of fewer samples than the least. */
const firstSamples = { most: 48, least: 12, values: 2 ** 19 }

/** Opens candidates as they will be served, measures them against float, and keeps a list of what was tried. */
export class CandidateOpener {
  readonly options: OpenOptions
  /** The target is another processor than this one, or another engine: what fuses here says nothing of it. */
  readonly foreign: boolean
  /** Samples that layers are tuned with; no candidate is measured on them. */
  readonly reserve: SampleSource
  readonly #compared: readonly Tensor[]
  readonly #thorough: boolean
  /** Not held: a candidate has all weights of the model in it. */
  readonly #tried: { readonly name: string; readonly evaluation: Evaluation; readonly candidate: WeakRef<Candidate> }[] = []
  #first: Promise<Readonly<Record<string, Tensor>>> | undefined
  readonly #histograms = new Map<Basis, Promise<ReadonlyMap<string, Histogram>>>()
  readonly #quantiles = new Map<Basis, Promise<Statistics['ranges']>>()
  /** Kernels of the sessions that were looked at. */
  readonly #verified = new WeakMap<Session, Kernels>()
  #hasLooked = false
  /** What was opened last to be measured, until something else is. */
  #last: Session | undefined
  /** What the engine was seen to run in float, by name, and why. */
  readonly #unfused = new Map<string, string>()
  #merged = new WeakMap<Recipe['keepFloat'], Recipe['keepFloat']>()

  constructor(options: OpenOptions) {
    this.options = options
    const { spec, settings, samples } = options.request
    this.reserve = tuningReserve(options.request)
    const all = Math.min(settings.samples, samples.count)
    this.#compared = options.reference.slice(0, all - this.reserve.count)
    this.#thorough = settings.preset === 'accuracy'
    const { architecture } = spec.match
    const { evaluation } = targetOf({ spec, weightRange: spec.weightRange })
    const isEmulated = evaluation === 'emulated' && options.request.target === undefined
    this.foreign = isEmulated || (architecture !== undefined && architecture !== process.arch)
  }

  /** Where the values of a basis lie, looked at when the first estimator asks. */
  histogramsOf(basis: Basis): Promise<ReadonlyMap<string, Histogram>> {
    const known = this.#histograms.get(basis)
    if (known !== undefined) return known
    const { engine, settings, signal } = this.options.request
    const { model, shapes, statistics, samples } = basis
    const histograms = collectHistograms({
      model,
      shapes,
      statistics,
      samples,
      observedOn: samples === this.options.request.samples ? 'all' : 'part',
      engine,
      threads: settings.threads,
      ...(signal === undefined ? {} : { signal }),
    })
    this.#histograms.set(basis, histograms)
    return histograms
  }

  /** Quantiles of the values of a basis, looked at when the first estimator asks. */
  quantilesOf(basis: Basis): Promise<Statistics['ranges']> {
    const known = this.#quantiles.get(basis)
    if (known !== undefined) return known
    const { batch, request } = this.options
    const { engine, settings, signal } = request
    const { model, shapes, statistics, samples } = basis
    const quantiles = observeQuantiles({
      model,
      shapes,
      statistics,
      samples,
      batch,
      engine,
      threads: settings.threads,
      quantile: settings.quantile,
      aggregation: settings.aggregation,
      ...(signal === undefined ? {} : { signal }),
    })
    this.#quantiles.set(basis, quantiles)
    return quantiles
  }

  /**
   * Makes, opens and measures a candidate. The kernels of the first one are looked at, which costs more than the run of a small model: what the engine runs in
   * float there is float in all that follow, which compute the same whether their kernels are known or not. `verified` looks at those of the one that is kept.
   * @param on which samples it is measured on: the first, which tell candidates apart, or all, where an allowed drop is counted in them
   */
  async open(maker: CandidateMaker, recipe: Recipe, on: 'first' | 'all' = 'first'): Promise<Opened> {
    await this.#rest()
    if (!this.#hasLooked) return this.#openVerified(maker, recipe)
    const candidate = maker.make(this.#withUnfused(recipe))
    return this.#measured({ maker, candidate, session: await this.#openPlain(candidate, 'profiled') }, on)
  }

  /** `opened` where its kernels are what its placement says; else, and where nobody has looked yet, the same recipe opened anew, measured where it changed. */
  async verified(opened: Opened): Promise<Verified> {
    const { maker, candidate, session, evaluation } = opened
    const known = this.#verified.get(session) ?? (session === this.#last ? await this.#looked(opened) : undefined)
    if (known !== undefined) {
      const isOpen = session === this.#last
      this.#last = undefined
      return { ...opened, session: isOpen ? session : await this.#openPlain(candidate), kernels: known }
    }
    await this.#rest()
    const seen = await this.openUnmeasured(maker, candidate.recipe, candidate)
    if (seen.candidate === candidate) return { ...seen, evaluation }
    const measured = await this.#measured(seen)
    this.#last = undefined
    return measured
  }

  /** Kernels of a session of the target, which all are opened with a profile; undefined where they are not what the placement says, and of other sessions. */
  async #looked({ candidate, session }: Opened): Promise<Kernels | undefined> {
    if (this.options.request.target === undefined) return undefined
    const kernels = await this.#kernelsOf(session, candidate)
    if (this.#unfusedOf(candidate, kernels).length > 0) return undefined
    this.#verified.set(session, kernels)
    return kernels
  }

  /** One session at a time: what was measured needs none until it is chosen. */
  async #rest(): Promise<void> {
    await this.#last?.close()
    this.#last = undefined
  }

  async #openVerified(maker: CandidateMaker, recipe: Recipe): Promise<Opened> {
    return this.#measured(await this.openUnmeasured(maker, recipe))
  }

  async #measured<T extends Omit<Opened, 'evaluation'>>(
    opened: T,
    on: 'first' | 'all' = 'first',
  ): Promise<T & { readonly evaluation: Evaluation }> {
    const evaluation = on === 'all' ? await this.#evaluateOn(opened.session, this.#compared) : await this.#evaluate(opened.session)
    this.#last = opened.session
    // Losers have just been closed, and answers that were compared are done with.
    collectGarbage()
    const { maker, candidate } = opened
    this.#tried.push({ name: nameOf(maker, candidate.recipe), evaluation, candidate: new WeakRef(candidate) })
    return { ...opened, evaluation }
  }

  /** Makes and opens a candidate. Products that the engine runs in float after all are made float in it, and it is opened anew. */
  async openUnmeasured(maker: CandidateMaker, recipe: Recipe, made?: Candidate): Promise<Omit<Verified, 'evaluation'>> {
    const { request } = this.options
    let candidate = made ?? maker.make(this.#withUnfused(recipe))
    for (;;) {
      const { session, kernels } = await this.#openSeen(candidate)
      const unfused = this.#unfusedOf(candidate, kernels)
      this.#hasLooked = true
      if (unfused.length === 0) {
        this.#verified.set(session, kernels)
        return { maker, candidate, session, kernels }
      }
      await session.close()
      const reason = request.target === undefined ? 'the engine found no integer kernel for it here' : ranInFloat(request.target)
      for (const { main } of unfused) this.#unfused.set(main.name, reason)
      this.#merged = new WeakMap()
      candidate = maker.make(this.#withUnfused(candidate.recipe))
    }
  }

  /** What the placement calls integer and the engine runs in float. */
  #unfusedOf({ placement }: Candidate, kernels: Kernels): readonly Unit[] {
    if (this.foreign) return []
    const isOurs = this.options.request.target === undefined ? isProductForm : isComputing
    return [...placement.units.values()].filter(({ main, form }) => isOurs(form) && isUnfused(main.name, kernels))
  }

  /** The recipe with what the engine was seen to run in float; the same map for the same map, by which placements are known. */
  #withUnfused(recipe: Recipe): Recipe {
    if (this.#unfused.size === 0) return recipe
    const keepFloat = this.#merged.get(recipe.keepFloat) ?? new Map([...this.#unfused, ...recipe.keepFloat])
    this.#merged.set(recipe.keepFloat, keepFloat)
    return { ...recipe, keepFloat }
  }

  /** Opens a candidate without a look at its kernels: a product that does not fuse computes the same, only slower. */
  openForRanking(maker: CandidateMaker, recipe: Recipe): Promise<Session> {
    return this.#openPlain(maker.make(this.#withUnfused(recipe)))
  }

  /** @param kernels `profiled`: what a target runs may be looked at later (`verified`), which costs a fraction of opening it anew */
  #openPlain(candidate: Candidate, kernels: 'unknown' | 'profiled' = 'unknown'): Promise<Session> {
    const { target, engine, settings } = this.options.request
    const { threads } = settings
    if (target !== undefined) return openOnTarget({ candidate, target, threads, profile: kernels === 'profiled' })
    return engine.open(candidate.bytes, { threads, optimization: 'all' })
  }

  async #openSeen(candidate: Candidate): Promise<OpenedCandidate> {
    const { target, engine, settings } = this.options.request
    const { threads } = settings
    if (target === undefined) return openVerified(engine, candidate.bytes, threads)
    const session = await openOnTarget({ candidate, target, threads, profile: true })
    try {
      return { session, kernels: await this.#kernelsOf(session, candidate) }
    } catch (error) {
      await session.close()
      throw error
    }
  }

  async #kernelsOf(session: Session, candidate: Candidate): Promise<Kernels> {
    this.#first ??= this.options.request.samples.read(0).then(({ inputs }) => inputs)
    return seenKernels(session, candidate, await this.#first)
  }

  /** Everything that was tried, in order, for the report. */
  entries(chosen: Candidate): CandidateEntry[] {
    return this.#tried.map(({ name, evaluation, candidate }) => ({
      name,
      snr_db: evaluation.snr_db,
      drop: evaluation.drop,
      chosen: candidate.deref() === chosen,
    }))
  }

  /**
   * The candidate with its evaluation on all samples, where it was made on the first ones and leaves a doubt: the signal of a few ranks candidates, an allowed
   * drop is counted in samples.
   */
  async measuredOnAll<T extends Opened>(opened: T): Promise<T> {
    const { session, evaluation } = opened
    if (evaluation.items >= this.#compared.length || isNearlyLossless(evaluation)) return opened
    if (session === this.#last) return { ...opened, evaluation: await this.#evaluateOn(session, this.#compared) }
    await this.#rest()
    const again = await this.#openPlain(opened.candidate, 'profiled')
    this.#last = again
    return { ...opened, session: again, evaluation: await this.#evaluateOn(again, this.#compared) }
  }

  /** On the first samples; on all where everything is tried, since many close candidates ask for a finer measure, and where text is read and they leave a doubt. */
  async #evaluate(session: Session): Promise<Evaluation> {
    const compared = this.#compared
    // What is read of a map is one text, however many values it has.
    const isRead = (this.options.judging.alphabet ?? []).length > 0
    const values = isRead ? 1 : elementCount(compared[0]?.shape ?? [])
    const count = Math.min(firstSamples.most, Math.max(firstSamples.least, Math.ceil(firstSamples.values / Math.max(1, values))))
    if (this.#thorough || compared.length <= count) return this.#evaluateOn(session, compared)
    const first = await this.#evaluateOn(session, compared.slice(0, count))
    return first.textCloseness === undefined || isNearlyLossless(first) ? first : this.#evaluateOn(session, compared)
  }

  async #evaluateOn(session: Session, reference: readonly Tensor[]): Promise<Evaluation> {
    const { request, output, batch, judging, onProgress } = this.options
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
    onProgress(1 - 0.8 ** (this.#tried.length + 1))
    return evaluation
  }
}

const isProductForm = (form: Form) => form === 'linear' || form === 'dynamic-matmul'
const isComputing = (form: Form) => form !== 'move' && form !== 'concat'
const isUnfused = (name: string, { integerNames, floatNames }: Kernels) => floatNames.has(name) && !integerNames.has(name)

const ranInFloat = ({ engine, options }: TargetEngine) =>
  `${engine.name === 'openvino' ? 'OpenVINO' : engine.name} runs it in ${{ float32: 'f32', bfloat16: 'bf16', float16: 'f16' }[options.precision ?? 'float32']}`

export function nameOf({ context }: CandidateMaker, { mode, estimator, biasCorrection, tuned, keepFloat }: Recipe): string {
  const parts = [
    mode,
    estimator,
    ...context.basis.applied.map(({ name }) => name),
    ...(biasCorrection === 'off' ? ['no bias correction'] : []),
    ...(tuned === undefined ? [] : [tuned.name]),
    ...(keepFloat.size === 0 ? [] : [`${keepFloat.size} kept float`]),
  ]
  return parts.join(', ')
}
