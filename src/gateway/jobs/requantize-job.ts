import { existsSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { QuantdError } from '../../errors.js'
import type { DeviceSpec } from '../../hardware/device-spec.js'
import { runLimited } from '../../process/limited-child.js'
import { judgeSpeed } from '../../quantization/accuracy/judge-speed.js'
import type { Judgement } from '../../quantization/report/report.js'
import { QuantizeSettings } from '../../quantization/settings.js'
import type { EncodedRequest } from '../../samples/request.js'
import type { Capture, CapturedSample } from '../calibration/capture.js'
import type { Models } from '../models/model.js'
import type { JobContext, JobKind, JobOutcome } from './job-kind.js'
import { jobProgress } from './progress.js'
import { type QuantizeAnswer, type QuantizeEvent, type QuantizeTask, type SamplePlace, taskFiles } from './quantize-task.js'
import { RequantizeRequest } from './requantize-request.js'
import { fewestHeldOut, splitSamples } from './split-samples.js'

/** Paired rounds of the final timing: enough for an interval of a few percent on a busy gateway. */
const timingRounds = 101
/** Samples below which there is nothing to calibrate on. */
const fewestSamples = 10
/** Candidates, external data and the report, in sizes of the float model. */
const sizeFactor = 4

export interface RequantizeOptions {
  readonly models: Models
  readonly capture: Capture
  readonly engine: string
  readonly spec: DeviceSpec
  readonly settings: () => { readonly threads: number; readonly memory_mb: number; readonly timeout_s: number }
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
      const answer = await this.#quantize(this.#task(snapshot.samples))
      return await this.#decide(answer)
    } finally {
      await snapshot.release()
    }
  }

  #task(samples: readonly CapturedSample[]): QuantizeTask {
    const { models, engine, spec, settings } = this.#options
    const { job, folder } = this.#context
    const { manifest, inputs, outputs } = models.get(job.model)
    const { scheme, preset, range_estimator, samples: wanted } = this.#request
    const metric = this.#request.metric === 'auto' ? (manifest.metric ?? 'auto') : this.#request.metric
    return {
      model: job.model,
      bundle: models.paths(job.model).bundle,
      manifest,
      inputs,
      outputs,
      engine,
      spec,
      settings: QuantizeSettings.parse({
        scheme,
        preset,
        range_estimator,
        metric,
        samples: wanted,
        max_drop: this.#request.max_drop ?? manifest.max_drop,
        threads: settings().threads,
      }),
      ...this.#places(samples, wanted),
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
    const judge: SamplePlace =
      heldOut.length >= fewestHeldOut ? { kind: 'captured', samples: heldOut } : { kind: 'archive', path, part: 'held-out' }
    return { calibration: { kind: 'archive', path, part: 'calibration' }, heldOut: judge }
  }

  async #quantize(task: QuantizeTask): Promise<QuantizeAnswer> {
    const { memory_mb, timeout_s } = this.#options.settings()
    const { signal, update } = this.#context
    const { meta } = await runLimited({
      entry: new URL('./worker.js', import.meta.url),
      name: 'job worker',
      request: task,
      memoryMiB: memory_mb,
      timeoutMs: Math.min(timeout_s * 1000, 2 ** 31 - 1),
      signal,
      nice: 19,
      oomScore: 1000,
      onEvent: event => {
        const { stage, progress } = event.meta as QuantizeEvent
        update(jobProgress(stage, progress))
      },
    })
    // Our own worker, compiled against the same type.
    return meta as QuantizeAnswer
  }

  async #decide(answer: QuantizeAnswer): Promise<JobOutcome> {
    const { models } = this.#options
    const { job, folder, signal, update } = this.#context
    const metrics = metricsOf(answer, answer.judgement)
    update({ ...jobProgress('store', 0), metrics })
    signal.throwIfAborted()
    const { version } = await models.addVersion(job.model, { model: join(folder, taskFiles.model), report: join(folder, taskFiles.report) })
    update(jobProgress('time', 0))
    const judgement = await this.#timed(answer, version)
    await models.judge(job.model, version, judgement)
    const outcome = { version, sentence: judgement.sentence, metrics: metricsOf(answer, judgement) }
    if (judgement.verdict === 'refused') return { ...outcome, state: 'rejected' }
    const why = this.#whyNotActivated(judgement)
    if (why !== undefined) return { ...outcome, state: 'succeeded', sentence: `${why}: ${judgement.sentence}` }
    signal.throwIfAborted()
    update(jobProgress('switch', 0))
    await models.activate(job.model, version)
    return { ...outcome, state: 'succeeded' }
  }

  async #timed({ request, judgement }: QuantizeAnswer, version: string): Promise<Judgement> {
    const { models } = this.#options
    const { job, folder, signal } = this.#context
    if (request === undefined) return unjudged(judgement, 'no sample to time on')
    const encoded: EncodedRequest = { ...request, body: await readFile(join(folder, taskFiles.request)) }
    const [float, int8] = await models.compare(job.model, ['1', version], encoded, timingRounds, signal)
    return judgeSpeed(judgement, [float ?? [], int8 ?? []])
  }

  #whyNotActivated({ verdict }: Judgement): string | undefined {
    if (verdict === 'unjudged') return 'prepared, not activated'
    if (this.#request.activate === 'manual') return 'ready to be activated'
    if (this.#options.models.get(this.#context.job.model).pinned) return 'ready to be activated, the active version is pinned'
    return undefined
  }
}

function unjudged(judgement: Judgement, reason: string): Judgement {
  return judgement.verdict === 'refused' ? judgement : { ...judgement, verdict: 'unjudged', sentence: `${reason}: ${judgement.sentence}` }
}

function metricsOf({ coverage, calibration, heldOut }: QuantizeAnswer, judgement: Judgement): Record<string, number | string | null> {
  const { metric, float, int8, drop, agreement, snr_db, cosine, items, timing } = judgement
  return {
    metric,
    float,
    int8,
    drop,
    agreement,
    snr_db,
    cosine,
    items,
    coverage,
    calibration,
    held_out: heldOut,
    ...(timing === undefined ? {} : { float_us: timing.float_us, int8_us: timing.int8_us, ratio: timing.ratio }),
  }
}
