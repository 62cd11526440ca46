import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { QuantdError } from '../../errors.js'
import { choiceSentence } from '../../quantization/report/choice-sentence.js'
import type { Judgement } from '../../quantization/report/report.js'
import { QuantizeSettings } from '../../quantization/settings.js'
import type { Capture, CapturedSample } from '../calibration/capture.js'
import type { Models } from '../models/model.js'
import type { ServingDevices } from '../models/serving-devices.js'
import { Refusal } from '../wire-errors.js'
import { type CandidateForm, candidateForms } from './candidate-form.js'
import { choiceTable, fastestAccepted } from './choice.js'
import type { JobContext, JobKind, JobOutcome } from './job-kind.js'
import type { WorkerSettings } from './job-worker.js'
import { type Candidate, type FailedCandidate, makeCandidates, type SharedTask } from './make-candidates.js'
import { jobProgress } from './progress.js'
import { RequantizeRequest } from './requantize-request.js'
import { fewestHeldOut, splitSamples } from './split-samples.js'
import { type TimedCandidate, timeCandidates } from './time-candidates.js'
import { judgementMetrics } from './timed-judgement.js'
import { usableCosts } from './usable-costs.js'
import type { SamplePlace } from './worker-task.js'

/** Samples below which there is nothing to calibrate on. */
const fewestSamples = 10
/** Candidates, external data and the report of one device, in sizes of the float model. */
const sizeFactor = 4

export interface RequantizeOptions {
  readonly models: Models
  readonly capture: Capture
  readonly devices: ServingDevices
  readonly settings: () => WorkerSettings
  /** Where a table of measured costs may lie (`quantd bench costs`); absent = none is looked for. */
  readonly costs?: string
}

/**
 * Makes every form of the model that the devices here may serve: int8 for each of them, float on engines besides the reference and, where that helps, as our
 * passes leave it. All are made from one calibration run in a process at the lowest priority, held there to the same answers of float, each on the engine that
 * would serve it, then timed in the device workers against float. The fastest of those that keep accuracy and beat float is activated, so that int8 also has
 * to beat the fastest float; the others stay as versions with the reason, and a table tells what each reached.
 */
export function requantizeJob(options: RequantizeOptions): JobKind {
  return {
    kind: 'requantize',
    sizeBytes: ({ model }) => statSync(options.models.paths(model).model).size * sizeFactor * options.devices.all().length,
    execute: context => new Requantize(options, context).run(),
  }
}

class Requantize {
  readonly #options: RequantizeOptions
  readonly #context: JobContext
  readonly #request: RequantizeRequest
  /** The held-out samples are this site's own: what was judged on foreign ones is not activated by itself (DECISIONS, Judge). */
  #judgedHere = true

  constructor(options: RequantizeOptions, context: JobContext) {
    this.#options = options
    this.#context = context
    this.#request = RequantizeRequest.parse(context.job.request)
  }

  async run(): Promise<JobOutcome> {
    const { capture } = this.#options
    const { job, update } = this.#context
    update({ stage: 'capture', progress: 0 })
    const snapshot = await capture.snapshot(job.model)
    try {
      const task = this.#task(snapshot.samples)
      const { models, devices, settings, costs } = this.#options
      const making = {
        forms: this.#forms(task.heldOut),
        task,
        models,
        of: models.get(job.model).versions.find(({ version }) => version === '1')!.artifact,
        settings: settings(),
        costs: (engine: string) => this.#costs(costs, engine, devices),
      }
      const { made, failed } = await makeCandidates(making, this.#context)
      const timed = await timeCandidates({ candidates: made, models, reference: devices.reference }, this.#context)
      return await this.#decide(timed, failed)
    } finally {
      await snapshot.release()
    }
  }

  /** @throws Refusal INVALID_ARGUMENT when no serving device is among those asked for */
  #forms(heldOut: SamplePlace): readonly CandidateForm[] {
    const { devices } = this.#options
    const { devices: patterns } = this.#request
    // What nobody can judge waits for an operator: one int8 per device is enough of that.
    const kinds = heldOut.kind === 'captured' && heldOut.samples.length >= fewestHeldOut ? 'all' : 'int8'
    const forms = candidateForms(devices.all(), { patterns, kinds })
    if (forms.length > 0) return forms
    const serving = devices.all().map(({ device }) => device.id)
    throw new Refusal('INVALID_ARGUMENT', 'ERR_COMMAND_DEVICE', `no serving device matches ${patterns.join(', ')}`, {
      details: { patterns, devices: serving },
    })
  }

  /** Costs of kernels are measured on the reference engine: they say nothing of another's. */
  #costs(path: string | undefined, engine: string, { reference }: ServingDevices): { readonly costs?: string } {
    return engine === reference.engine.name ? usableCosts(path, engine) : {}
  }

  async #decide(judged: readonly TimedCandidate[], failed: readonly FailedCandidate[]): Promise<JobOutcome> {
    const { models } = this.#options
    const { job, signal, update } = this.#context
    const contenders = judged.map(one => ({ ...one, memoryMiB: models.opened(job.model, one.version.version)?.memoryMiB }))
    const fastest = fastestAccepted(contenders)
    const told = fastest ?? contenders.find(({ judgement }) => judgement.verdict === 'unjudged') ?? contenders[0]!
    const candidates = choiceTable({ models, model: job.model, made: judged, failed, chosen: fastest })
    for (const { version, judgement } of judged) await models.judge(job.model, version.version, judgement, candidates)
    const { judgement, version, candidate } = told
    const sentence = [
      judgement.sentence,
      ...(fastest === undefined ? [] : [choiceSentence(candidates) ?? []].flat()),
      ...moreOf(candidate),
    ].join('; ')
    const table = judged.length + failed.length > 1 ? { candidates } : {}
    const outcome = { version: version.version, sentence, metrics: metricsOf(candidate, judgement), ...table }
    if (judgement.verdict === 'refused') return { ...outcome, state: 'rejected' }
    const why = this.#whyNotActivated(judgement)
    if (why !== undefined) return { ...outcome, state: 'succeeded', sentence: `${why}: ${sentence}` }
    signal.throwIfAborted()
    update(jobProgress('switch', 0))
    await models.activate(job.model, version.version)
    return { ...outcome, state: 'succeeded' }
  }

  #task(samples: readonly CapturedSample[]): SharedTask {
    const { models, devices, settings } = this.#options
    const { job } = this.#context
    const { manifest, inputs } = models.get(job.model)
    const { scheme, preset, pipeline, range_estimator, samples: wanted } = this.#request
    const metric = this.#request.metric === 'auto' ? (manifest.metric ?? 'auto') : this.#request.metric
    return {
      model: job.model,
      bundle: models.paths(job.model).bundle,
      manifest,
      inputs,
      engine: devices.reference.engine.name,
      settings: QuantizeSettings.parse({
        scheme,
        preset,
        pipeline,
        range_estimator,
        metric,
        metrics: manifest.metrics ?? [],
        samples: wanted,
        max_drop: this.#request.max_drop ?? manifest.max_drop,
        drop: manifest.drop ?? 'absolute',
        threads: settings().threads,
      }),
      ...this.#places(samples, wanted),
      metricModules: settings().metric_modules,
    }
  }

  /** @throws ERR_JOB_SAMPLES */
  #places(samples: readonly CapturedSample[], wanted: number): { calibration: SamplePlace; heldOut: SamplePlace } {
    const { model } = this.#context.job
    if (this.#request.source === 'captured') {
      const { calibration, heldOut } = splitSamples(samples, wanted)
      if (calibration.length + heldOut.length < fewestSamples) {
        throw new QuantdError(
          'ERR_JOB_SAMPLES',
          `model '${model}': ${samples.length} requests are captured, at least ${fewestSamples} are needed`,
          {
            details: { model, captured: samples.length },
          },
        )
      }
      return { calibration: { kind: 'captured', samples: calibration }, heldOut: { kind: 'captured', samples: heldOut } }
    }
    const path = join(this.#options.models.paths(model).bundle, 'calibration.npz')
    if (!existsSync(path))
      throw new QuantdError('ERR_JOB_SAMPLES', `model '${model}': its bundle has no calibration.npz`, { details: { model } })
    // What the site sees is the better judge, of foreign samples most of all.
    const { heldOut } = splitSamples(samples, 0)
    this.#judgedHere = heldOut.length >= fewestHeldOut
    const judge: SamplePlace = this.#judgedHere ? { kind: 'captured', samples: heldOut } : { kind: 'archive', path, part: 'held-out' }
    return { calibration: { kind: 'archive', path, part: 'calibration' }, heldOut: judge }
  }

  #whyNotActivated({ verdict }: Judgement): string | undefined {
    if (verdict === 'unjudged') return 'prepared, not activated'
    if (!this.#judgedHere) return 'prepared, not activated, since the judge had samples of the bundle only, none of this site'
    if (this.#request.activate === 'manual') return 'ready to be activated'
    if (this.#options.models.get(this.#context.job.model).pinned) return 'ready to be activated, the active version is pinned'
    return undefined
  }
}

/** What is to be said of how it was made. */
function moreOf({ made: { quantized }, starts }: Candidate): readonly string[] {
  return [
    ...(quantized?.aware === undefined ? [] : [`accuracy-aware: ${quantized.aware}`]),
    ...(starts === 1 ? [] : ['the worker ended once and went on from its checkpoint']),
  ]
}

function metricsOf({ made: { quantized } }: Candidate, judgement: Judgement): NonNullable<JobOutcome['metrics']> {
  if (quantized === undefined) return judgementMetrics(judgement)
  const { coverage, calibration, heldOut } = quantized
  return { ...judgementMetrics(judgement), coverage, calibration, held_out: heldOut }
}
