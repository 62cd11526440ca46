import { QuantizeSettings } from '../../quantization/settings.js'
import type { Capture } from '../calibration/capture.js'
import type { Models } from '../models/model.js'
import type { JobContext, JobKind, JobOutcome } from './job-kind.js'
import { askJobWorker, judgementMetrics, judgeTimed, type WorkerSettings } from './job-worker.js'
import { jobProgress } from './progress.js'
import { splitSamples } from './split-samples.js'

export interface JudgeOptions {
  readonly models: Models
  readonly capture: Capture
  readonly engine: string
  readonly settings: () => WorkerSettings
}

/**
 * Judges the active int8 version again, after an upgrade of the engine or a change of the processor (DECISIONS, Judge): accuracy on what is held out now,
 * speed in the device worker. One that does not hold any more makes way for float, unless it is pinned.
 */
export function judgeJob(options: JudgeOptions): JobKind {
  return { kind: 'judge', sizeBytes: () => 0, execute: context => execute(options, context) }
}

async function execute({ models, capture, engine, settings }: JudgeOptions, context: JobContext): Promise<JobOutcome> {
  const { job, folder, update } = context
  const { manifest, inputs, active, versions, pinned } = models.get(job.model)
  const version = versions.find(candidate => candidate.version === active)
  if (version === undefined || version.kind === 'float') return { state: 'succeeded', sentence: 'float answers: there is nothing to judge' }
  update({ stage: 'capture', progress: 0 })
  const { samples, release } = await capture.snapshot(job.model)
  try {
    const answer = await askJobWorker(
      {
        do: 'judge',
        model: job.model,
        bundle: models.paths(job.model).bundle,
        manifest,
        inputs,
        engine,
        settings: QuantizeSettings.parse({
          metric: manifest.metric ?? 'auto',
          metrics: manifest.metrics ?? [],
          drop: manifest.drop ?? 'absolute',
          max_drop: version.judgement?.max_drop ?? manifest.max_drop,
          threads: settings().threads,
        }),
        metricModules: settings().metric_modules,
        heldOut: { kind: 'captured', samples: splitSamples(samples, version.samples ?? 0).heldOut },
        int8: models.paths(job.model, version.version).model,
        folder,
      },
      context,
      settings(),
    )
    update(jobProgress('time', 0))
    const judgement = await judgeTimed({ ...answer, models, version: version.version }, context)
    await models.judge(job.model, version.version, judgement)
    const outcome = { version: version.version, metrics: judgementMetrics(judgement) }
    if (judgement.verdict !== 'refused') return { ...outcome, state: 'succeeded', sentence: judgement.sentence }
    if (pinned) return { ...outcome, state: 'rejected', sentence: `${judgement.sentence}; it is pinned and goes on answering` }
    await models.activate(job.model, '1')
    return { ...outcome, state: 'rejected', sentence: `${judgement.sentence}; float answers` }
  } finally {
    await release()
  }
}
