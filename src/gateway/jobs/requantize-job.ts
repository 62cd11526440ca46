import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { QuantdError } from '../../errors.js'
import type { DeviceSpec } from '../../hardware/device-spec.js'
import type { Judgement } from '../../quantization/report/report.js'
import { QuantizeSettings } from '../../quantization/settings.js'
import type { Capture, CapturedSample } from '../calibration/capture.js'
import type { Models } from '../models/model.js'
import type { JobContext, JobKind, JobOutcome } from './job-kind.js'
import { type Asked, askJobWorker, judgementMetrics, judgeTimed, type WorkerSettings } from './job-worker.js'
import { jobProgress } from './progress.js'
import { RequantizeRequest } from './requantize-request.js'
import { fewestHeldOut, splitSamples } from './split-samples.js'
import { usableCosts } from './usable-costs.js'
import { type QuantizeAnswer, type QuantizeTask, type SamplePlace, taskFiles } from './worker-task.js'

/** Samples below which there is nothing to calibrate on. */
const fewestSamples = 10
/** Candidates, external data and the report, in sizes of the float model. */
const sizeFactor = 4

export interface RequantizeOptions {
  readonly models: Models
  readonly capture: Capture
  readonly engine: string
  readonly spec: DeviceSpec
  readonly settings: () => WorkerSettings
  /** Where a table of measured costs may lie (`quantd bench costs`); absent = none is looked for. */
  readonly costs?: string
}

/**
 * Calibrates and quantizes in a process of its own at the lowest priority, then judges where it counts: accuracy on held-out samples there, speed in the
 * device worker that serves. int8 that loses more than `max_drop` or is not faster than float is kept as a refused version and never activated.
 */
export function requantizeJob(options: RequantizeOptions): JobKind {
  return {
    kind: 'requantize',
    sizeBytes: ({ model }) => statSync(options.models.paths(model).model).size * sizeFactor,
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
      const answer = await askJobWorker(this.#task(snapshot.samples), this.#context, this.#options.settings())
      return await this.#decide(answer)
    } finally {
      await snapshot.release()
    }
  }

  #task(samples: readonly CapturedSample[]): QuantizeTask {
    const { models, engine, spec, settings } = this.#options
    const { job, folder } = this.#context
    const { manifest, inputs } = models.get(job.model)
    const { scheme, preset, pipeline, range_estimator, samples: wanted } = this.#request
    const metric = this.#request.metric === 'auto' ? (manifest.metric ?? 'auto') : this.#request.metric
    return {
      do: 'quantize',
      model: job.model,
      bundle: models.paths(job.model).bundle,
      manifest,
      inputs,
      engine,
      spec,
      ...usableCosts(this.#options.costs, engine),
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
      folder,
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

  async #decide(answer: Asked<QuantizeAnswer>): Promise<JobOutcome> {
    const { models } = this.#options
    const { job, folder, signal, update } = this.#context
    const metrics = metricsOf(answer, answer.judgement)
    update({ ...jobProgress('store', 0), metrics })
    signal.throwIfAborted()
    const { version } = await models.addVersion(job.model, { model: join(folder, taskFiles.model), report: join(folder, taskFiles.report) })
    update(jobProgress('time', 0))
    const judgement = await judgeTimed({ ...answer, models, version }, this.#context)
    await models.judge(job.model, version, judgement)
    const sentence = [
      judgement.sentence,
      ...(answer.aware === undefined ? [] : [`accuracy-aware: ${answer.aware}`]),
      ...restartOf(answer),
    ].join('; ')
    const outcome = { version, sentence, metrics: metricsOf(answer, judgement) }
    if (judgement.verdict === 'refused') return { ...outcome, state: 'rejected' }
    const why = this.#whyNotActivated(judgement)
    if (why !== undefined) return { ...outcome, state: 'succeeded', sentence: `${why}: ${sentence}` }
    signal.throwIfAborted()
    update(jobProgress('switch', 0))
    await models.activate(job.model, version)
    return { ...outcome, state: 'succeeded' }
  }

  #whyNotActivated({ verdict }: Judgement): string | undefined {
    if (verdict === 'unjudged') return 'prepared, not activated'
    if (!this.#judgedHere) return 'prepared, not activated, since the judge had samples of the bundle only, none of this site'
    if (this.#request.activate === 'manual') return 'ready to be activated'
    if (this.#options.models.get(this.#context.job.model).pinned) return 'ready to be activated, the active version is pinned'
    return undefined
  }
}

const restartOf = ({ starts }: Asked<QuantizeAnswer>): readonly string[] =>
  starts === 1 ? [] : ['the worker ended once and went on from its checkpoint']

function metricsOf({ coverage, calibration, heldOut }: QuantizeAnswer, judgement: Judgement): NonNullable<JobOutcome['metrics']> {
  return { ...judgementMetrics(judgement), coverage, calibration, held_out: heldOut }
}
